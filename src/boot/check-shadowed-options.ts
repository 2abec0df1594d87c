import { error } from '../core/diagnostic.ts'
import { effectiveOptions } from '../formats/modprobe.ts'
import type { ModprobeOption } from '../formats/modprobe.ts'
import { foldName } from '../core/fold-name.ts'
import { readModprobeEntries } from './modprobe-files.ts'
import type { ArgumentMerged } from './argument-merged.ts'
import type { Workspace } from './workspace.ts'

/**
 * `module.option=` on the command line comes behind all of modprobe.d (libkmod-config.c): where a kernel has the module
 * to load, values of the same option in modprobe.d would be lost in silence.
 */
export function checkShadowedOptions(workspace: Workspace, claims: readonly ArgumentMerged[]): void {
  const wanted = claims.filter(
    ({ claim }) => claim.of === 'kernel-argument' && claim.want === 'present' && claim.member,
  )
  const names = new Set(wanted.flatMap(({ claim }) => (claim.of === 'kernel-argument' ? [claim.name] : [])))
  for (const name of names)
    checkName(
      workspace,
      name,
      wanted.filter(({ claim }) => isNamed(claim, name)),
    )
}

function isNamed(claim: ArgumentMerged['claim'], name: string): boolean {
  return claim.of === 'kernel-argument' && claim.name === name
}

function checkName(workspace: Workspace, name: string, claims: readonly ArgumentMerged[]): void {
  const [module = '', option] = name.split('.')
  const isLoadable = workspace.snapshot.kernels.some(({ modules }) => modules.get(foldName(module)) === 'loadable')
  if (option === undefined || !isLoadable) return
  const values = new Set(claims.flatMap(({ claim }) => (claim.of === 'kernel-argument' ? [claim.value ?? ''] : [])))
  const lost = effectiveOptions(readModprobeEntries(workspace), module)
    .filter((found) => foldName(found.name) === foldName(option))
    .filter(({ value }) => (value ?? '').split(',').some((member) => member !== '' && !values.has(member)))
  if (lost.length > 0) refuse(workspace, name, lost, claims)
}

function refuse(
  workspace: Workspace,
  name: string,
  lost: readonly ModprobeOption[],
  claims: readonly ArgumentMerged[],
): void {
  const diagnostic = error(
    'OPTION_SHADOWED',
    `${name}= on the command line would override what ${lost[0]?.path} says`,
    {
      hint: 'take its values into the task and remove the line',
      evidence: lost.map(({ path, line, name: option, value }) => `${path}:${line}: ${option}=${value ?? ''}`),
    },
  )
  workspace.diagnostics.push({ diagnostic, tasks: claims.flatMap(({ tasks }) => tasks) })
}
