import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { HostOverrides } from './make-snapshot.ts'

const given = z.unknown().optional()
const hostFields = {
  files: given,
  units: given,
  kernels: given,
  kallsyms: given,
  loaded: given,
  pci: given,
  cpufreq: given,
  memoryKb: given,
  hugepageSizesKb: given,
  cpu: given,
  tree: given,
  hardware: given,
  names: given,
  owned: given,
  mounts: given,
  sshConnection: given,
} satisfies Record<keyof HostOverrides, unknown>

/** A case as its file has it. The file's folder names the module. */
const moduleCase = z.strictObject({
  why: z.string().optional().describe('What the case is there for, where its name does not say it.'),
  machine: z.string().default('amd'),
  host: z.strictObject(hostFields).default({}),
  params: z.unknown(),
  accept: z.record(z.string(), z.string()).default({}),
  adopt: z.boolean().default(false),
  expect: z.strictObject({
    invalid: z.string().optional().describe('Part of what the schema says of the parameters.'),
    claims: z.array(z.unknown()).optional(),
    diagnostics: z.array(z.string()).default([]).describe('`error CODE`, in the order given.'),
    paths: z
      .array(z.string())
      .optional()
      .describe('Of each diagnostic of the module the parameter it stands at: `ids.1`; empty for the task.'),
    settling: z.array(z.string()).optional().describe('Diagnostics of the host beyond those of the module.'),
    evidence: z.array(z.string()).optional().describe('Lines that must be among the evidence.'),
    changes: z.array(z.record(z.string(), z.unknown())).optional(),
  }),
})

export type ModuleCase = Omit<z.output<typeof moduleCase>, 'host'> & {
  readonly module: string
  readonly title: string
  readonly host: HostOverrides
}

const folder = new URL('./cases/', import.meta.url)

/** All cases, sorted by module and name. Throws where a file is no case. */
export function readCases(): readonly ModuleCase[] {
  const names = readdirSync(folder).sort()
  return names.flatMap((module) => {
    const files = readdirSync(new URL(`${module}/`, folder)).sort()
    return files.map((file) => readCase(module, file))
  })
}

function readCase(module: string, file: string): ModuleCase {
  const parsed = moduleCase.parse(parse(readFileSync(new URL(`${module}/${file}`, folder), 'utf8')))
  return { ...parsed, host: parsed.host as HostOverrides, module, title: `${module}: ${file.replace(/\.yaml$/, '')}` }
}
