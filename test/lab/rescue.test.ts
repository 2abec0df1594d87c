import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { readDerived, readOutput, readTrees } from './host-files.ts'
import { check, exists, findCache, listMissing, startMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import { cli, runLogged, writeInventory } from './passway.ts'
import { runRescue } from './rescue.ts'
import type { RescueSystem } from './rescue.ts'

const playbook = 'test/lab/playbooks/unbootable.yaml'

const missing = await listMissing()
if (!(await exists(cli))) missing.push(`${cli} (npm run build)`)
for (const file of ['/bin/busybox', '/usr/bin/cpio']) if (!(await exists(file))) missing.push(file)
const lacks = missing.length === 0 ? '' : ` (skipped: needs ${missing.join(', ')})`
const run = missing.length === 0 ? test.serial : test.serial.skip

/** A host that does not boot: its disk, its kernel and image, and what was told before it went down. */
type Dead = {
  readonly directory: string
  readonly rescue: readonly string[]
  readonly before: string
  readonly root: string
}

let dead: Dead | undefined

test.after.always(async () => {
  if (dead) await rm(dead.directory, { recursive: true, force: true })
})

async function readHost(machine: Machine): Promise<string> {
  const { grubCfg, images } = await readDerived(machine)
  const etc = await readTrees(machine, ['/etc'])
  return [etc, grubCfg, images].join('\n')
}

async function fetchFile(machine: Machine, path: string, target: string): Promise<void> {
  const encoded = await readOutput(machine, `base64 ${path}`)
  await writeFile(target, Buffer.from(encoded, 'base64'))
}

async function breakHost(t: ExecutionContext): Promise<Dead> {
  const directory = await mkdtemp(join(findCache(), 'dead-'))
  const machine = await startMachine({ topology: 'desktop', intremap: true })
  t.teardown(() => machine.stop())
  const before = await readHost(machine)
  const root = await readOutput(machine, 'findmnt -n -o SOURCE /')
  const inventory = await writeInventory(machine)
  t.is((await runLogged(t, inventory, 'apply', [playbook, '--yes', '--no-trial'])).status, 0)
  await fetchFile(machine, '/boot/vmlinuz-$(uname -r)', join(directory, 'kernel'))
  await fetchFile(machine, '/boot/initrd.img-$(uname -r)', join(directory, 'initrd'))
  const record = JSON.parse(await readOutput(machine, 'cat /var/lib/passway/records/*/record.json')) as {
    rescue: string[]
  }
  await machine.ssh('sync; systemctl reboot')
  // It answers until it is down.
  await sleep(20_000)
  await t.throwsAsync(machine.waitForSsh(60), { message: /no ssh/ })
  machine.cutPower()
  await check('qemu-img', ['convert', '-U', '-O', 'qcow2', machine.disk, join(directory, 'disk.qcow2')])
  t.log(record.rescue.join('\n'))
  return { directory, rescue: record.rescue, before, root }
}

async function copyDisk({ directory }: Dead, name: string): Promise<string> {
  const disk = join(directory, `${name}.qcow2`)
  await check('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', join(directory, 'disk.qcow2'), disk])
  return disk
}

async function checkBack(t: ExecutionContext, found: Dead, disk: string): Promise<void> {
  const machine = await startMachine({ topology: 'desktop', intremap: true, disk })
  t.teardown(() => machine.stop())
  t.regex(await readOutput(machine, 'cat /var/lib/passway/records/*/state'), /^reverted$/)
  t.deepEqual((await readHost(machine)).split('\n'), found.before.split('\n'))
}

const off = 'echo o > /proc/sysrq-trigger; sleep 60'

/** The line that passway printed, up to its last command, which is what a person types. */
function findLine({ rescue }: Dead, start: string): string {
  const line = rescue.find((each) => each.startsWith(start))
  if (line === undefined) throw new Error(`nothing printed begins with ${start}`)
  return line.slice(start.length)
}

/** In the image /bin and /lib are links into /usr. */
async function findBusybox(): Promise<Record<string, string>> {
  const libraries = (await check('sh', ['-c', "ldd /bin/busybox | grep -o '/lib/[^ ]*' || true"])).split('\n')
  const found = libraries.filter((path) => path !== '').map((path): [string, string] => [path, `usr${path}`])
  return { '/bin/busybox': 'usr/bin/busybox', ...Object.fromEntries(found) }
}

async function rescueFrom(t: ExecutionContext, name: string, make: (found: Dead) => Promise<Partial<RescueSystem>>) {
  dead ??= await breakHost(t)
  const disk = await copyDisk(dead, name)
  const files = { kernel: join(dead.directory, 'kernel'), initrd: join(dead.directory, 'initrd') }
  const rest = { files: {}, copied: {}, commandLine: 'console=ttyS0 no_timer_check panic=1' }
  const said = await runRescue({ disk, ...files, ...rest, ...(await make(dead)) }, 420)
  t.log(said.slice(-2500))
  await checkBack(t, dead, disk)
}

run(`from a live system of busybox alone a host that does not boot is rolled back${lacks}`, async (t) => {
  t.timeout(1_800_000)
  await rescueFrom(t, 'live', async (found) => ({
    files: {
      init: `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /mnt /tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk ext4 crc32c_generic; do modprobe $module; done
for tool in /usr/bin/* /usr/sbin/*; do [ "$tool" = /usr/bin/busybox ] || /bin/busybox rm -f "$tool"; done
/bin/busybox --install -s
sleep 3
${findLine(found, 'from a rescue system: ')}
echo "lab: rollback ended with $?"
umount /mnt; sync; ${off}
`,
    },
    copied: await findBusybox(),
  }))
})

run(`from the shell of its own initramfs a host that does not boot is rolled back${lacks}`, async (t) => {
  t.timeout(1_800_000)
  await rescueFrom(t, 'initramfs', async (found) => ({
    files: {
      'scripts/init-bottom/ORDER': '/scripts/init-bottom/lab "$@"\n',
      'scripts/init-bottom/lab': `#!/bin/sh
[ "$1" != prereqs ] || exit 0
${findLine(found, 'from the shell of its initramfs: ')}
echo "lab: rollback ended with $?"
sync; ${off}
`,
    },
    commandLine: `console=ttyS0 no_timer_check panic=1 ro root=${found.root}`,
  }))
})
