import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { findHint } from '../../src/host/run-agent.ts'
import {
  bootTools,
  bundleFor,
  callFor,
  change,
  file,
  makeMiniHost,
  nextId,
  noExpectation,
  planOf,
  readHost,
  runUnder,
  settleMiniHost,
  type ShellRun,
} from './agent-hosts.ts'

export const grubBefore = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'
const grubAfter = grubBefore.replace('quiet', 'quiet iommu=pt')
const grub = change('file', '/etc/default/grub', file(grubBefore), file(grubAfter))
export const own = change('file', '/etc/modprobe.d/passway.conf', null, file('options vfio-pci ids=10de:1c82\n'))
export const plan = planOf([grub, own], {
  regenerate: ['initramfs', 'boot-loader'],
  expectation: { ...noExpectation, normalArguments: ['iommu=pt'] },
})

/** A host of its own with two kernels; `before` is what it must be like again. */
export function makeBootHost(t: ExecutionContext, tools: Readonly<Record<string, string>> = {}) {
  const root = makeMiniHost(t, { tools: { ...bootTools } })
  settleMiniHost(root)
  for (const [path, text] of Object.entries(tools)) {
    rmSync(join(root, path))
    writeFileSync(join(root, path), text, { mode: 0o755 })
  }
  return { root, before: readHost(root) }
}

export function apply(root: string, what = plan, id = nextId()): ShellRun {
  return runUnder('/bin/sh', bundleFor(what, null, id), { chroot: root })
}

export function rollBack(root: string, more: object = {}): ShellRun {
  return runUnder('/bin/sh', callFor({ verb: 'rollback', ...more }), { chroot: root })
}

/** It says what happened, by a code for which there is a hint, and in words. */
export function assertSaid(t: ExecutionContext, run: ShellRun, outcome: string, code: string, words: RegExp): void {
  t.is(run.outcome, outcome, run.text)
  t.true(run.codes.includes(code), `${run.codes.join()}\n${run.text}`)
  const said = run.events.filter((event) => event.name === 'problem').map(({ fields }) => fields.slice(1).join('\n'))
  t.regex(said.join('\n'), words)
  t.truthy(findHint(code), `${code} has no hint`)
}
