import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sha256 } from '../../src/core/public-change.ts'
import { formatFileValue, orderOperations } from '../../src/host/manifest.ts'
import type { TreeEntry } from '../../src/host/tree.ts'
import {
  bootTools,
  bundleFor,
  callFor,
  change,
  file,
  isRoot,
  makeMiniHost,
  nextId,
  noExpectation,
  planOf,
  readHost,
  runUnder,
  settleMiniHost,
  writeTool,
  type ShellRun,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')

/**
 * Everything that must be on disk goes through sync. On this host sync kills whoever calls it, and the tools that it
 * started, at the call whose number is in /tmp/cut: a power cut at each point where something has just been written.
 */
const cuttingSync = `#!/bin/sh
if [ -s /tmp/cut ]; then
  read -r left </tmp/cut
  if [ "$left" -le 1 ]; then rm /tmp/cut; kill -9 0; fi
  echo $((left - 1)) >/tmp/cut
fi
exec busybox sync "$@"
`

/** Each point takes a second or more; `PASSWAY_CUTS=all ava --timeout=15m` goes through all of them. */
const everyPoint = process.env['PASSWAY_CUTS'] === 'all'

const options = 'options vfio-pci ids=10de:1c82\n'
const grubBefore = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'
const grubAfter = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'

const plan = planOf(
  [
    change('file', '/etc/default/grub', file(grubBefore), file(grubAfter)),
    change('file', '/etc/modprobe.d/passway.conf', null, file(options)),
    change('link', '/etc/new-link', null, { to: 'default' }),
    change('directory', '/etc/new.d', null, { mode: 0o755, uid: 0, gid: 0 }),
  ],
  {
    regenerate: ['initramfs', 'boot-loader'],
    expectation: {
      ...noExpectation,
      normalArguments: ['iommu=pt'],
      imageFiles: { '/etc/modprobe.d/passway.conf': sha256(options) },
    },
  },
)

function makeCutHost(t: ExecutionContext, lacks: readonly string[]): string {
  const root = makeMiniHost(t, { tools: bootTools, without: ['sync', ...lacks] })
  writeTool(root, '/bin/sync', cuttingSync)
  settleMiniHost(root)
  return root
}

function cutAt(root: string, point: number): void {
  writeFileSync(join(root, 'tmp/cut'), `${point}\n`)
}

/** Was the point reached? */
function wasCut(root: string): boolean {
  const reached = !existsSync(join(root, 'tmp/cut'))
  rmSync(join(root, 'tmp/cut'), { force: true })
  return reached
}

/** Images that were built again differ in their times; what is in them is compared by the agent itself. */
function withoutImages(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return entries.filter((entry) => !/initrd|\/boot\/passway|custom\.cfg/.test(entry.path))
}

/** A killed process may not be gone yet, on a host without /proc to tell: then the next contact does it. */
function recover(root: string): ShellRun {
  const run = runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root })
  return run.codes.includes('AGENT_GONE') ? runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root }) : run
}

function stateOf(root: string): string {
  const records = join(root, 'var/lib/passway/records')
  const [id] = existsSync(records) ? readdirSync(records) : []
  const path = join(records, id ?? 'none', 'state')
  return existsSync(path) ? readFileSync(path, 'latin1').trim() : 'none'
}

for (const lacks of [[], ['flock', 'setsid']]) {
  const title = lacks.length === 0 ? '' : ` on a host without ${lacks.join(' and ')}`

  test(`an apply that is cut at any point ends wholly done or wholly as before${title}`, (t) => {
    t.timeout(300_000)
    const root = makeCutHost(t, lacks)
    const before = readHost(root)
    const seen = new Set<string>()
    const step = everyPoint ? 1 : lacks.length === 0 ? 4 : 9
    for (let point = 1; ; point += step) {
      cutAt(root, point)
      const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
      if (!wasCut(root)) {
        t.is(run.outcome, 'committed', `after ${point} points: ${run.text}`)
        break
      }
      const recovered = recover(root)
      t.is(recovered.outcome, 'done', `cut ${point}: ${run.text}\n${recovered.text}`)
      const state = stateOf(root)
      seen.add(state)
      if (state === 'committed') {
        t.true(readFileSync(join(root, 'boot/grub/grub.cfg'), 'latin1').includes('iommu=pt'), `cut ${point}`)
        t.is(runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root }).outcome, 'reverted')
        t.deepEqual(withoutImages(readHost(root)), withoutImages(before), `cut ${point}`)
        // The images are those of a rollback now.
        break
      }
      t.deepEqual(readHost(root), before, `cut ${point}: ${run.text}\n${recovered.text}`)
      rmSync(join(root, 'var/lib/passway/records'), { recursive: true, force: true })
    }
    t.true(seen.has('reverted'))
    t.true(seen.has('none'))
  })
}

test('a rollback that is cut at any point is gone through to its end', (t) => {
  t.timeout(300_000)
  const root = makeCutHost(t, [])
  const before = readHost(root)
  for (let point = 1; ; point += everyPoint ? 1 : 5) {
    t.is(runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root }).outcome, 'committed')
    cutAt(root, point)
    const run = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
    if (!wasCut(root)) {
      t.is(run.outcome, 'reverted', run.text)
      break
    }
    const recovered = recover(root)
    t.is(recovered.outcome, 'done', `cut ${point}: ${run.text}\n${recovered.text}`)
    if (stateOf(root) === 'committed') {
      t.is(runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root }).outcome, 'reverted')
    }
    t.is(stateOf(root), 'reverted', `cut ${point}`)
    t.deepEqual(withoutImages(readHost(root)), withoutImages(before), `cut ${point}`)
    rmSync(join(root, 'var/lib/passway/records'), { recursive: true, force: true })
  }
})

test('the way back can be cut as well, and again', (t) => {
  const root = makeCutHost(t, [])
  const before = readHost(root)
  cutAt(root, 24)
  runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
  t.true(wasCut(root))
  for (const point of [3, 3, 3]) {
    cutAt(root, point)
    runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root })
    t.true(wasCut(root))
  }
  t.is(recover(root).outcome, 'done')
  t.is(stateOf(root), 'reverted')
  t.deepEqual(readHost(root), before)
})

test('the next apply ends what was left open, and what someone wrote meanwhile is kept', (t) => {
  const root = makeCutHost(t, [])
  cutAt(root, 24)
  const id = nextId()
  runUnder('/bin/sh', bundleFor(plan, null, id), { chroot: root })
  t.true(wasCut(root))
  writeFileSync(join(root, 'etc/default/grub'), 'by hand\n')
  const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  t.true(run.codes.includes('FOUND_KEPT'))
  const record = join(root, 'var/lib/passway/records', id)
  t.is(readFileSync(join(record, 'state'), 'latin1'), 'reverted\n')
  const found = readdirSync(join(record, 'found')).map((name) => readFileSync(join(record, 'found', name), 'latin1'))
  t.deepEqual(found, ['by hand\n'])
})

test('a cut connection does not stop the agent, and watch tells the rest', async (t) => {
  const root = makeMiniHost(t, { tools: bootTools })
  settleMiniHost(root)
  writeTool(root, '/usr/sbin/grub-mkconfig', `#!/bin/sh\nsleep 1\n${bootTools['/usr/sbin/grub-mkconfig']?.slice(10)}`)
  const id = nextId()
  const { spawn } = await import('node:child_process')
  const { bootLine, formatSpool } = await import('../../src/host/bootstrap.ts')
  const { readAgentProgram } = await import('../../src/host/programs.ts')
  const child = spawn('chroot', [root, '/bin/sh', '-c', bootLine, 'passway', 'nonce'], { detached: true })
  child.stdin.end(formatSpool(readAgentProgram(), bundleFor(plan, null, id)), 'latin1')
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => chunk.includes('boot-loader') && resolve())
  })
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  const run = runUnder('/bin/sh', callFor({ verb: 'watch', id }), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  t.is(spawnSync('grep', ['-c', 'iommu=pt', join(root, 'boot/grub/grub.cfg')]).status, 0)
})

test('told to stop, it takes everything back', async (t) => {
  const root = makeMiniHost(t, { tools: bootTools })
  settleMiniHost(root)
  const before = readHost(root)
  // What systemd does to a unit at shutdown; the agent is the parent of what it runs.
  const stopping = `#!/bin/sh\n[ -e /tmp/stopped ] || { : >/tmp/stopped; kill -TERM $PPID; }\n${bootTools['/usr/sbin/grub-mkconfig']?.slice(10)}`
  writeTool(root, '/usr/sbin/grub-mkconfig', stopping.replace('$PPID', '$(cat /proc/agent)'))
  writeTool(
    root,
    '/usr/bin/unmkinitramfs',
    `${bootTools['/usr/bin/unmkinitramfs']}cut -f 2 /var/lib/passway/records/*/owner >/proc/agent\n`,
  )
  const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
  t.is(run.outcome, 'reverted', run.text)
  t.true(run.codes.includes('STOPPED'))
  rmSync(join(root, 'proc/agent'))
  t.deepEqual(readHost(root), before)
})

test('a cut rollback keeps the edits that it was asked to keep', (t) => {
  const root = makeCutHost(t, [])
  const id = nextId()
  t.is(runUnder('/bin/sh', bundleFor(plan, null, id), { chroot: root }).outcome, 'committed')
  const edited = `# mine\n${grubAfter}`
  const merged = `# mine\n${grubBefore}`
  writeFileSync(join(root, 'etc/default/grub'), edited)
  const number = orderOperations(plan.changes).findIndex((one) => one.target === '/etc/default/grub') + 1
  const call = callFor({
    verb: 'rollback',
    id,
    merges: [`merge\t${id}\t${number}\t${formatFileValue(file(edited))}\t${formatFileValue(file(merged))}`],
    blobs: [{ name: `merge.${id}.${number}`, content: merged }],
  })
  for (const point of [14, 8, 4]) {
    cutAt(root, point)
    if (point === 14) runUnder('/bin/sh', call, { chroot: root })
    else runUnder('/bin/sh', callFor({ verb: 'recover' }), { chroot: root })
    t.true(wasCut(root))
  }
  t.is(recover(root).outcome, 'done')
  t.is(stateOf(root), 'reverted')
  t.is(readFileSync(join(root, 'etc/default/grub'), 'latin1'), merged)
})

test('an apply after a cut rollback ends that first, and is read back as strictly as any', (t) => {
  const root = makeCutHost(t, [])
  const id = nextId()
  t.is(runUnder('/bin/sh', bundleFor(plan, null, id), { chroot: root }).outcome, 'committed')
  cutAt(root, 12)
  runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
  t.true(wasCut(root))
  const wrong = { ...plan, expectation: { ...noExpectation, normalArguments: ['not=there'] } }
  const run = runUnder('/bin/sh', bundleFor(wrong, null, nextId()), { chroot: root })
  t.is(run.outcome, 'reverted', run.text)
  t.deepEqual(run.codes, ['GRUB_DIFFERS'])
  t.is(readFileSync(join(root, 'var/lib/passway/records', id, 'state'), 'latin1'), 'reverted\n')
})
