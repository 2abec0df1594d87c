import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Change, ChangeKind, ChangeValues } from '../../src/core/change.ts'
import type { HostAddress } from '../../src/core/host-address.ts'
import type { BootExpectation, HostPlan } from '../../src/core/plan.ts'
import { bootLine, formatSpool } from '../../src/host/bootstrap.ts'
import { formatBundle, formatCall, type AgentCall } from '../../src/host/bundle.ts'
import { readAgentProgram } from '../../src/host/programs.ts'
import { parseEvent, type AgentEvent } from '../../src/host/run-agent.ts'
import { readTree, unpackTree, type TreeEntry } from '../../src/host/tree.ts'

export const isRoot = process.getuid?.() === 0
export const shells = ['dash', 'bash', 'busybox sh'] as const

/** A directory that goes with the test. */
export function makeDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'passway-agent-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A tree host from the text form of trees. */
export function makeHost(t: ExecutionContext, tree: string): string {
  const root = makeDirectory(t)
  chmodSync(root, 0o755)
  unpackTree(`dir 0755 0:0 /etc\ndir 0755 0:0 /var/lib\ndir 0755 0:0 /proc\n${tree}`, root)
  return root
}

/** All of a host but passway's own records and what is temporary. */
export function readHost(root: string): TreeEntry[] {
  return readTree(root).filter((entry) => !/^\/(?:var\/lib\/passway|tmp\/|var\/tmp\/|bin\/|usr\/|lib)/.test(entry.path))
}

export function localHost(root: string): HostAddress {
  return { name: 'tree', connection: 'local', address: 'tree', become: false, root }
}

export function file(content: string, mode = 0o644): ChangeValues['file'] {
  return { content, mode, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
}

export function change<Kind extends ChangeKind>(
  kind: Kind,
  target: string,
  before: ChangeValues[Kind] | null,
  after: ChangeValues[Kind] | null,
): Change {
  return { kind, target, before, after, tasks: [], regenerate: [], takesEffect: 'boot' } as unknown as Change
}

export function planOf(changes: readonly Change[], more: Partial<HostPlan> = {}): HostPlan {
  return {
    machineId: null,
    kernelRelease: '6.1.0-1-amd64',
    bootId: null,
    tasks: [],
    changes,
    regenerate: [],
    pending: [],
    orphans: [],
    reboot: 'none',
    nextBoot: null,
    diagnostics: [],
    claims: [],
    expectation: null,
    ...more,
  }
}

export const noExpectation: BootExpectation = {
  normalArguments: [],
  recoveryArguments: [],
  absentArguments: [],
  imageModules: [],
  imageFiles: {},
}

let runs = 0

/** An ID as a run makes them; later ones sort after earlier ones. */
export function nextId(): string {
  runs += 1
  return `20261121T08${String(runs).padStart(4, '0')}Z-${randomBytes(3).toString('hex')}`
}

export function applyOptions(id: string) {
  return {
    id,
    created: '2026-11-21T08:15:00Z',
    by: 'tester@controller',
    playbooks: ['site.yaml'],
    accepted: [],
    rescue: [],
  }
}

/** `alter`: another agent than passway's own. */
export function bundleFor(
  plan: HostPlan,
  root: string | null,
  id: string,
  alter = (program: string) => program,
): string {
  return formatBundle(plan, { ...applyOptions(id), root, agentProgram: alter(readAgentProgram()) })
}

export function callFor(call: Partial<AgentCall> & Pick<AgentCall, 'verb'>): string {
  return formatCall({ root: null, controller: 'tester@controller', ...call })
}

export type ShellRun = {
  readonly status: number | null
  readonly events: readonly AgentEvent[]
  /** Codes of problems. */
  readonly codes: readonly string[]
  readonly outcome: string | undefined
  readonly text: string
}

/** Runs the agent as a connection would, under a shell of choice; `chroot`: on the host that is that directory. */
export function runUnder(shell: string, data: string, where: { chroot?: string; uid?: number } = {}): ShellRun {
  const words = [...(where.chroot === undefined ? [] : ['chroot', where.chroot]), ...shell.split(' ')]
  const options = {
    input: formatSpool(readAgentProgram(), data),
    encoding: 'latin1' as const,
    // A process group of its own, which a test can kill. The types of Node do not know that spawnSync takes it.
    detached: true,
    ...(where.uid !== undefined && { uid: where.uid, gid: where.uid }),
  }
  const end = spawnSync(words[0] ?? 'sh', [...words.slice(1), '-c', bootLine, 'passway', 'nonce'], options)
  return readRun(end.stdout + end.stderr)
}

export function readRun(text: string): ShellRun {
  const status = /^passway-end nonce (\d+)$/m.exec(text)?.[1]
  const events = text.split('\n').flatMap((line) => parseEvent(line) ?? [])
  return {
    status: status === undefined ? null : Number(status),
    events,
    codes: events.filter((event) => event.name === 'problem').map((event) => event.fields[1] ?? ''),
    outcome: events.findLast((event) => event.name === 'end')?.fields[0],
    text,
  }
}

/**
 * A whole host in a directory, entered with chroot: busybox with an applet for each tool, and one of the three shells as
 * /bin/sh. `tools` are scripts that stand in for the host's own; `without`: applets that it lacks.
 */
export function makeMiniHost(
  t: ExecutionContext,
  options: {
    tree?: string
    shell?: (typeof shells)[number]
    without?: readonly string[]
    tools?: Record<string, string>
  },
): string {
  const root = makeHost(t, `${bootTree}${options.tree ?? ''}`)
  spawnSync('mknod', ['-m', '666', join(root, 'dev/null'), 'c', '1', '3'])
  copyProgram('busybox', root)
  const applets = spawnSync('busybox', ['--list'], { encoding: 'utf8' }).stdout.split('\n')
  for (const applet of applets) {
    if (!/^[a-z0-9]+$/.test(applet) || applet === 'busybox' || options.without?.includes(applet)) continue
    if (applet === 'sh' && options.shell !== undefined && options.shell !== 'busybox sh') continue
    symlinkSync('/usr/bin/busybox', join(root, 'bin', applet))
  }
  if (options.shell !== undefined && options.shell !== 'busybox sh') {
    copyProgram(options.shell, root)
    symlinkSync(`/usr/bin/${options.shell}`, join(root, 'bin/sh'))
  }
  for (const [path, text] of Object.entries(options.tools ?? {})) writeTool(root, path, text)
  return root
}

export function writeTool(root: string, path: string, text: string): void {
  const place = join(root, path)
  rmSync(place, { force: true })
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, text, { mode: 0o755 })
  chmodSync(place, 0o755)
}

/** With the libraries that it is linked to. */
function copyProgram(name: string, root: string): void {
  const path = `/usr/bin/${name}`
  const libraries = spawnSync('ldd', [path], { encoding: 'utf8' }).stdout.match(/\/\S+/g) ?? []
  for (const place of [path, ...libraries]) {
    mkdirSync(dirname(join(root, place)), { recursive: true, mode: 0o755 })
    copyFileSync(place, join(root, place))
    chmodSync(join(root, place), 0o755)
  }
}

export const release = '6.1.0-1-amd64'
export const olderRelease = '6.1.0-0-amd64'

/** Two kernels with images, GRUB's and initramfs-tools' files, and stand-ins for their programs. */
const bootTree = `dir 0755 0:0 /bin
dir 0755 0:0 /dev
dir 0755 0:0 /usr/sbin
dir 1777 0:0 /tmp
dir 1777 0:0 /var/tmp
file 0444 0:0 /proc/sys/kernel/random/boot_id
|7b1c3f52-5a0e-4a6e-9c55-9d6f0f0c0001
file 0444 0:0 /proc/modules
file 0644 0:0 /etc/default/grub
|GRUB_CMDLINE_LINUX_DEFAULT="quiet"
|GRUB_CMDLINE_LINUX="console=ttyS0"
file 0644 0:0 /etc/initramfs-tools/modules
|# nothing yet
dir 0755 0:0 /etc/modprobe.d
file 0644 0:0 /boot/vmlinuz-${release}
file 0644 0:0 /boot/vmlinuz-${olderRelease}
file 0600 0:0 /boot/initrd.img-${release}
|old image
file 0600 0:0 /boot/initrd.img-${olderRelease}
|older image
file 0644 0:0 /lib/modules/${release}/modules.builtin
|kernel/drivers/vfio/vfio.ko
file 0644 0:0 /lib/modules/${olderRelease}/modules.builtin
|kernel/drivers/vfio/vfio.ko
dir 0755 0:0 /boot/grub
`

/** Copies what initramfs-tools copies into a tar file. `-o FILE RELEASE`; ETC: what a trial sees as /etc. */
export const mkinitramfs = `#!/bin/sh
set -e
etc=\${ETC:-/etc}
if [ -e $etc/broken-$3 ]; then echo "E: mkinitramfs failure"; exit 1; fi
new=/tmp/image.$$
mkdir -p $new/conf $new/etc/modprobe.d $new/lib/modules/$3
echo image of $3 >$new/init
for file in $etc/modprobe.d/*.conf; do [ ! -e "$file" ] || cp "$file" $new/etc/modprobe.d; done
for file in $etc/udev/rules.d/*.rules; do
  [ ! -e "$file" ] || { mkdir -p $new/usr/lib/udev/rules.d && cp "$file" $new/usr/lib/udev/rules.d; }
done
grep '^[^#]' $etc/initramfs-tools/modules | while read -r module rest; do
  echo "$module" >>$new/conf/modules
  [ -e $etc/without-$module ] || : >$new/lib/modules/$3/$module.ko.xz
done
tar -C $new -cf $2 .
rm -r $new
`

/** Renames an image into place, as update-initramfs does; like it keeps that of before under another name until then. */
export const updateInitramfs = `#!/bin/sh
set -e
[ ! -e /boot/initrd.img-$3 ] || ln -f /boot/initrd.img-$3 /boot/initrd.img-$3.dpkg-bak
trap 'rm -f /boot/initrd.img-$3.dpkg-bak' EXIT
if [ -e /etc/killed ]; then kill -9 $$; fi
if [ -e /etc/lazy ]; then echo "W: not updating"; exit 0; fi
mkinitramfs -o /boot/initrd.img-$3.new $3
mv -f /boot/initrd.img-$3.new /boot/initrd.img-$3
`

export const unmkinitramfs = `#!/bin/sh
mkdir -p $2/main && tar -C $2/main -xf $1
`

/** What 10_linux writes, without what boots. It truncates the file that it is told to write, as grub-mkconfig does. */
export const grubMkconfig = `#!/bin/sh
set -e
. \${ETC:-/etc}/default/grub
if [ -e /etc/broken-grub ]; then echo "grub-probe: error: no such disk" >&2; exit 1; fi
entry() {
  echo "menuentry '$1' --class debian \\$menuentry_id_option 'gnulinux-$2-uuid' {"
  echo "	search --no-floppy --fs-uuid --set=root uuid"
  echo "	linux	/boot/vmlinuz-$3 root=UUID=uuid ro $4"
  echo "	initrd	/boot/initrd.img-$3"
  echo "}"
}
{
  echo "### BEGIN /etc/grub.d/10_linux ###"
  entry Debian simple ${release} "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"
  echo "submenu 'More' \\$menuentry_id_option 'gnulinux-advanced-uuid' {"
  for kernel in ${release} ${olderRelease}; do
    entry "Debian, $kernel" $kernel-advanced $kernel "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"
    entry "Debian, $kernel (Rettung)" $kernel-recovery $kernel "single $GRUB_CMDLINE_LINUX"
  done
  echo "}"
  echo "### END /etc/grub.d/10_linux ###"
} >$2.new
cat $2.new >$2
rm $2.new
`

export const grubScriptCheck = '#!/bin/sh\n! grep -q "^syntax error" "$1"\n'

export const bootTools: Readonly<Record<string, string>> = {
  '/usr/sbin/mkinitramfs': mkinitramfs,
  '/usr/sbin/update-initramfs': updateInitramfs,
  '/usr/bin/unmkinitramfs': unmkinitramfs,
  '/usr/sbin/grub-mkconfig': grubMkconfig,
  '/usr/bin/grub-script-check': grubScriptCheck,
}

/** The host after its own tools were run once, as its administrator left it. */
export function settleMiniHost(root: string): void {
  for (const kernel of [release, olderRelease]) inMiniHost(root, `update-initramfs -u -k ${kernel}`)
  inMiniHost(root, 'grub-mkconfig -o /boot/grub/grub.cfg')
}

export function inMiniHost(root: string, line: string): string {
  const end = spawnSync('chroot', [root, '/bin/sh', '-c', `PATH=/usr/sbin:/usr/bin:/sbin:/bin; ${line}`], {
    encoding: 'utf8',
  })
  if (end.status !== 0) throw new Error(`${line}: ${end.stdout}${end.stderr}`)
  return end.stdout
}
