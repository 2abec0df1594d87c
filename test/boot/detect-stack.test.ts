import test from 'ava'
import type { ExecutionContext } from 'ava'
import { detectBootStack } from '../../src/boot/detect-stack.ts'
import { arg, codesOf, planOf } from './plan-of.ts'
import { directory, file, grubConfiguration, snapshot } from './snapshots.ts'
import type { Claim } from '../../src/core/claim.ts'
import type { Snapshot } from '../../src/core/snapshot.ts'

const absent = { type: 'absent' } as const
const noGrub = { '/boot/grub/grub.cfg': absent, '/etc/default/grub': absent }
const tools = (...names: string[]) => new Map(names.map((name) => [name, `/usr/bin/${name}`]))

function testRefusal(t: ExecutionContext, host: Snapshot, name: RegExp, evidence: RegExp) {
  const detected = detectBootStack(host)
  t.false(detected.ok)
  if (detected.ok) return
  t.is(detected.diagnostic.code, 'BOOT_UNSUPPORTED')
  t.regex(detected.diagnostic.message, name)
  t.regex(detected.diagnostic.evidence?.join('\n') ?? '', evidence)
}

test('Debian', (t) => {
  const detected = detectBootStack(snapshot())
  t.true(detected.ok)
  t.is(detected.ok && detected.stack.entry?.id, 'gnulinux-simple-1111')
})

test('a tree without any tool', (t) => {
  t.true(detectBootStack(snapshot({ tree: true, tools: new Map() })).ok)
})

test('ostree', testRefusal, snapshot({ files: { '/run/ostree-booted': '' } }), /ostree/, /ostree-booted/)
test(
  'proxmox-boot-tool',
  testRefusal,
  snapshot({ files: { '/etc/kernel/proxmox-boot-uuids': 'AAAA-BBBB\n' } }),
  /proxmox-boot-tool/,
  /proxmox-boot-uuids/,
)
test(
  'Fedora',
  testRefusal,
  snapshot({
    files: { ...noGrub, '/boot/loader/entries': directory, '/boot/grub2': directory },
    tools: tools('grubby'),
  }),
  /BLS, grubby/,
  /loader/,
)
test('nothing at all', testRefusal, snapshot({ files: noGrub }), /no boot loader/, /no \/boot\/grub/)
test('Arch', testRefusal, snapshot({ tools: tools('grub-mkconfig', 'mkinitcpio') }), /not Debian's|mkinitcpio/, /./)
test('dracut on Ubuntu', testRefusal, snapshot({ tools: tools('update-grub', 'dracut') }), /dracut/, /dracut/)

const xen = grubConfiguration('quiet').replaceAll('linux\t/boot', 'multiboot2\t/boot/xen.gz\n\tmodule2\t/boot')
test('Xen', testRefusal, snapshot({ files: { '/boot/grub/grub.cfg': file(xen) } }), /Xen by default/, /grub.cfg:\d+/)
const windows = `set default="0"\nmenuentry 'Windows' {\n\tchainloader +1\n}\n`
test(
  'another system',
  testRefusal,
  snapshot({ files: { '/boot/grub/grub.cfg': file(windows) } }),
  /another operating system/,
  /Windows/,
)

/** A menu whose default is the entry of another script. */
function menuOf(script: string): Snapshot {
  const entry = `### BEGIN /etc/grub.d/${script} ###\nmenuentry 'Mine' --id mine {\n\tlinux /vmlinuz root=/dev/sdb1\n}\n### END /etc/grub.d/${script} ###\n`
  const files = {
    '/boot/grub/grub.cfg': file(grubConfiguration('quiet') + entry),
    '/etc/default/grub': 'GRUB_DEFAULT=mine\n',
  }
  return snapshot({ files })
}

test('another Linux', testRefusal, menuOf('30_os-prober'), /another operating system by default/, /Mine/)
test('an entry of the admin', testRefusal, menuOf('40_custom'), /an entry of \/etc\/grub.d\/40_custom/, /Mine/)
const recoverySetting = 'GRUB_DEFAULT="1>1"\n'
test(
  'a recovery entry',
  testRefusal,
  snapshot({ files: { '/etc/default/grub': recoverySetting } }),
  /a recovery entry by default/,
  /recovery mode/,
)
test('no entry', testRefusal, snapshot({ files: { '/boot/grub/grub.cfg': file('') } }), /without a default/, /no entry/)

test('only claims that concern the boot need a stack', (t) => {
  const host = snapshot({ files: noGrub, attributes: new Map([['/sys/a', '0']]) })
  const attribute: Claim = { want: 'present', of: 'attribute', target: '/sys/a', value: '1' }
  const plan = planOf(host, [[attribute]])
  t.deepEqual(codesOf(plan), [])
  t.is(plan.nextBoot, null)
  t.is(plan.changes.length, 1)
  const refused = planOf(host, [[attribute], [arg('quiet')]])
  t.deepEqual(
    refused.tasks.map(({ diagnostics }) => diagnostics.map(({ code }) => code)),
    [[], ['BOOT_UNSUPPORTED']],
  )
})
