import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { TreeEntry } from '../../src/host/tree.ts'
import { change, file, makeHost, nextId, planOf, readHost } from './agent-hosts.ts'
import type { CutAgent } from './cut-agent.ts'

const kernel = '6.1.0-1-amd64'

const tree = `file 0640 0:6 /etc/default/grub
|GRUB_CMDLINE_LINUX_DEFAULT="quiet"
file 0600 0:0 /etc/modprobe.d/old.conf
|options old
dir 0755 0:0 /etc/modules-load.d
link 0:0 /etc/moved -> default
file 0644 0:0 /sys/devices/system/cpu/governor
|powersave
file 0444 0:0 /proc/cmdline
|root=/dev/sda1 ro quiet
`

const group = { uid: 0, gid: 6 }
const plan = planOf(
  [
    change(
      'file',
      '/etc/default/grub',
      { ...file('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', 0o640), ...group },
      { ...file('GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n', 0o640), ...group },
    ),
    change('file', '/etc/modprobe.d/old.conf', file('options old\n', 0o600), null),
    change('file', '/etc/modules-load.d/passway.conf', null, file('vfio\n')),
    change('link', '/etc/moved', { to: 'default' }, { to: 'modprobe.d' }),
    change('directory', '/etc/new.d', null, { mode: 0o750, uid: 0, gid: 0 }),
    { ...change('attribute', '/sys/devices/system/cpu/governor', 'powersave', 'performance'), takesEffect: 'now' },
  ],
  { reboot: 'needed' },
)

/** A host in a directory with a record that is tried by a boot, and what the host is like before, staged and after. */
export type TrialTree = {
  readonly root: string
  readonly before: readonly TreeEntry[]
  /** What acts at once is there, what a boot reads is not. */
  readonly staged: readonly TreeEntry[]
  readonly after: readonly TreeEntry[]
}

export function makeTrialTree(t: ExecutionContext): TrialTree {
  const root = makeHost(t, tree)
  const before = readLive(root)
  const governor = before.find((entry) => entry.path.endsWith('/governor'))
  const staged = before.map((entry) => (entry === governor ? { ...entry, content: 'performance\n' } : entry))
  return { root, before, staged, after: afterOf(before) }
}

function afterOf(before: readonly TreeEntry[]): readonly TreeEntry[] {
  const entries = new Map(before.map((entry) => [entry.path, entry]))
  const put = (path: string, more: object): void => {
    const old = entries.get(path)
    entries.set(path, { ...old, path, ...more } as TreeEntry)
  }
  put('/etc/default/grub', { content: 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n' })
  entries.delete('/etc/modprobe.d/old.conf')
  put('/etc/modules-load.d/passway.conf', { type: 'file', uid: 0, gid: 0, mode: 0o644, content: 'vfio\n' })
  put('/etc/moved', { to: 'modprobe.d' })
  put('/etc/new.d', { type: 'directory', uid: 0, gid: 0, mode: 0o750 })
  put('/sys/devices/system/cpu/governor', { content: 'performance\n' })
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

/** All but what says which boot runs. */
export function readLive(root: string): TreeEntry[] {
  return readHost(root).filter(({ path }) => path !== '/proc/cmdline')
}

export function stage(
  agent: CutAgent,
  { root }: TrialTree,
): { readonly id: string; readonly run: ReturnType<CutAgent['apply']> } {
  const id = nextId()
  return { id, run: agent.apply(root, plan, id, { trial: { kernel, confirmWithinSeconds: 600 } }) }
}

/**
 * Another boot: of the trial entry where an id is given. The agent takes the running kernel's boot id, which a test cannot
 * change; what it noted of the boot before is changed instead.
 */
export function boot(root: string, token: string | null): void {
  const words = token === null ? '' : ` passway.txn=${token} panic=30`
  rmSync(join(root, 'proc/cmdline'), { force: true })
  writeFileSync(join(root, 'proc/cmdline'), `root=/dev/sda1 ro quiet${words}\n`, { mode: 0o444 })
  const records = join(root, 'var/lib/passway/records')
  for (const id of existsSync(records) ? readdirSync(records) : []) {
    const path = join(records, id, 'armed-in')
    if (existsSync(path)) writeFileSync(path, 'the boot before\n')
  }
}
