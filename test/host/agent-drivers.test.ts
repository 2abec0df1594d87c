import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { bundleFor, callFor, change, isRoot, makeMiniHost, nextId, planOf, runUnder, shells } from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root, for chroot')
const functions = ['0000:05:00.0', '0000:05:00.1']

/** What the driver core does with what is written, told in /log: a reader at each of the two kinds of files. */
const kernel = `
cd "$1/sys/bus/pci" || exit
for unbind in drivers/*/unbind; do
  while :; do
    address=$(cat "$unbind")
    rm "devices/$address/driver"
    echo "unbind $address" >>"$1/log"
  done &
done
while :; do
  address=$(cat drivers_probe)
  driver=$(cat "devices/$address/driver_override")
  [ ! -d "drivers/$driver" ] || [ -e "$1/refuse-$driver" ] || ln -s "../../drivers/$driver" "devices/$address/driver"
  echo "probe $address $driver" >>"$1/log"
done
`

/** A host with two functions of xhci_hcd, in one group. */
function makeHost(t: ExecutionContext, shell: (typeof shells)[number] = 'busybox sh'): string {
  const root = makeMiniHost(t, { shell, tools: {} })
  const bus = join(root, 'sys/bus/pci')
  for (const driver of ['xhci_hcd', 'vfio-pci']) {
    mkdirSync(join(bus, 'drivers', driver), { recursive: true })
    spawnSync('/usr/bin/mkfifo', [join(bus, 'drivers', driver, 'unbind')])
  }
  spawnSync('/usr/bin/mkfifo', [join(bus, 'drivers_probe')])
  for (const address of functions) {
    const device = join(bus, 'devices', address)
    mkdirSync(device, { recursive: true })
    writeFileSync(join(device, 'class'), '0x0c0330\n')
    writeFileSync(join(device, 'driver_override'), '(null)\n')
    symlinkSync('../../drivers/xhci_hcd', join(device, 'driver'))
  }
  const child = spawn('sh', ['-c', kernel, 'kernel', root], { detached: true, stdio: 'ignore' })
  t.teardown(() => process.kill(-(child.pid ?? 0), 'SIGKILL'))
  return root
}

const toVfio = functions.map((address) => change('driver', address, 'xhci_hcd', 'vfio-pci'))

function driverOf(root: string, address: string): string | null {
  try {
    return basename(readlinkSync(join(root, 'sys/bus/pci/devices', address, 'driver')))
  } catch {
    return null
  }
}

function overrideOf(root: string, address: string): string {
  return readFileSync(join(root, 'sys/bus/pci/devices', address, 'driver_override'), 'utf8').trim()
}

function readLog(root: string): readonly string[] {
  return readFileSync(join(root, 'log'), 'utf8').trim().split('\n')
}

for (const shell of shells) {
  test(`${shell}: all functions are unbound before the first is bound, and the way back is the same`, (t) => {
    const root = makeHost(t, shell)
    const run = runUnder('/bin/sh', bundleFor(planOf(toVfio), null, nextId()), { chroot: root })
    t.is(run.outcome, 'committed', run.text)
    t.deepEqual(
      functions.map((address) => [driverOf(root, address), overrideOf(root, address)]),
      functions.map(() => ['vfio-pci', 'vfio-pci']),
    )
    const back = runUnder('/bin/sh', callFor({ verb: 'rollback' }), { chroot: root })
    t.is(back.outcome, 'reverted', back.text)
    t.deepEqual(
      functions.map((address) => [driverOf(root, address), overrideOf(root, address)]),
      functions.map(() => ['xhci_hcd', '']),
    )
    const [first, second] = functions
    t.deepEqual(readLog(root), [
      `unbind ${first}`,
      `unbind ${second}`,
      `probe ${first} vfio-pci`,
      `probe ${second} vfio-pci`,
      `unbind ${first}`,
      `unbind ${second}`,
      `probe ${second} xhci_hcd`,
      `probe ${first} xhci_hcd`,
    ])
  })
}

test('a function that no driver takes is given back, and so are all others that were unbound', (t) => {
  const root = makeHost(t)
  writeFileSync(join(root, 'refuse-vfio-pci'), '')
  const run = runUnder('/bin/sh', bundleFor(planOf(toVfio), null, nextId()), { chroot: root })
  t.is(run.outcome, 'reverted', run.text)
  t.regex(run.text, /DRIVER_NOT_BOUND/)
  t.deepEqual(
    functions.map((address) => [driverOf(root, address), overrideOf(root, address)]),
    functions.map(() => ['xhci_hcd', '']),
  )
})

test('no driver at all: unbound, and kept so', (t) => {
  const root = makeHost(t)
  const [address = ''] = functions
  const plan = planOf([change('driver', address, 'xhci_hcd', null)])
  const run = runUnder('/bin/sh', bundleFor(plan, null, nextId()), { chroot: root })
  t.is(run.outcome, 'committed', run.text)
  t.deepEqual([driverOf(root, address), overrideOf(root, address)], [null, 'none'])
})

const refusals: readonly [string, (device: string) => void, string][] = [
  ['a driver that is not the planned one any more', (device) => moveDriver(device), 'STALE'],
  ['live virtual functions', (device) => writeFileSync(join(device, 'sriov_numvfs'), '2\n'), 'PF_HAS_VFS'],
  ['a bridge', (device) => writeFileSync(join(device, 'class'), '0x060400\n'), 'BRIDGE_TARGET'],
]

function moveDriver(device: string): void {
  spawnSync('ln', ['-sfn', '../../drivers/vfio-pci', join(device, 'driver')])
}

for (const [title, arrange, code] of refusals) {
  test(`refused before anything is unbound: ${title}`, (t) => {
    const root = makeHost(t)
    const [, address = ''] = functions
    arrange(join(root, 'sys/bus/pci/devices', address))
    const run = runUnder('/bin/sh', bundleFor(planOf(toVfio), null, nextId()), { chroot: root })
    t.is(run.outcome, 'refused', run.text)
    t.true(run.text.includes(code), run.text)
    t.is(driverOf(root, functions[0] ?? ''), 'xhci_hcd')
  })
}
