import { readFileSync } from 'node:fs'
import test from 'ava'
import { findDefaultEntry, listGrubEntries, parseGrubCfg } from '../../src/formats/grub-cfg.ts'
import type { GrubEntry } from '../../src/formats/grub-cfg.ts'
import { parseGrubLinuxArguments } from '../../src/formats/grub-quoting.ts'

const content = readFileSync(new URL('./cases/debian-12-grub.cfg', import.meta.url), 'latin1')
const cfg = parseGrubCfg(content)

function find(id: string): GrubEntry {
  const entry = listGrubEntries(cfg).find((other) => other.id === id)
  if (entry === undefined) throw new Error(`no entry ${id}`)
  return entry
}

test('sections and the top level of the menu', (t) => {
  t.deepEqual(
    cfg.sections.map((section) => section.name),
    ['00_header', '05_debian_theme', '10_linux', '20_linux_xen', '30_os-prober', '30_uefi-firmware', '41_custom'],
  )
  t.deepEqual(
    cfg.entries.map(({ kind, id, index, section, boots }) => [kind, id, index, section, boots]),
    [
      ['entry', 'gnulinux-simple-0f5e', 0, '10_linux', 'linux'],
      ['submenu', 'gnulinux-advanced-0f5e', 1, '10_linux', 'other'],
      ['entry', 'xen-gnulinux-simple-0f5e', 2, '20_linux_xen', 'xen'],
      ['entry', 'osprober-efi-1234', 3, '30_os-prober', 'other'],
      ['entry', 'uefi-firmware', 4, '30_uefi-firmware', 'other'],
    ],
  )
})

test('what an entry boots, and its exact text', (t) => {
  const entry = find('gnulinux-simple-0f5e')
  t.is(entry.title, 'Debian GNU/Linux')
  t.is(entry.linux?.path, '/boot/vmlinuz-6.1.0-18-amd64')
  t.is(entry.linux?.args, "root=UUID=0f5e ro  quiet 'pci=config_acs=1@0;2' memmap=64M\\$0x1")
  t.deepEqual(parseGrubLinuxArguments(entry.linux?.args ?? '').args, [
    'root=UUID=0f5e',
    'ro',
    'quiet',
    'pci=config_acs=1@0;2',
    'memmap=64M$0x1',
  ])
  t.deepEqual(entry.initrds, ['/boot/initrd.img-6.1.0-18-amd64'])
  t.true(entry.text.startsWith("menuentry 'Debian GNU/Linux' --class"))
  t.true(entry.text.endsWith('amd64\n}'))
  t.is(content.split('\n')[(entry.linux?.line ?? 0) - 1]?.trim().slice(0, 5), 'linux')
})

test('recovery entries are known by title and id', (t) => {
  const recovery = listGrubEntries(cfg).filter((entry) => entry.isRecovery)
  t.deepEqual(
    recovery.map((entry) => entry.id),
    ['gnulinux-6.1.0-18-amd64-recovery-0f5e'],
  )
  t.deepEqual(recovery[0]?.parents, ['Advanced options for Debian GNU/Linux'])
  t.deepEqual(recovery[0]?.initrds, ['/boot/intel-ucode.img', '/boot/initrd.img-6.1.0-18-amd64'])
})

test('custom.cfg is loaded by 41_custom', (t) => {
  t.true(cfg.sourcesCustom)
  t.false(parseGrubCfg(content.replaceAll('custom.cfg', 'other.cfg')).sourcesCustom)
})

const defaults: readonly (readonly [string, string | undefined, Record<string, string>, string])[] = [
  ['what the file says', undefined, {}, 'gnulinux-simple-0f5e'],
  ['a number', '2', {}, 'xen-gnulinux-simple-0f5e'],
  ['a path of numbers', '1>1', {}, 'gnulinux-6.1.0-18-amd64-recovery-0f5e'],
  ['an id', 'uefi-firmware', {}, 'uefi-firmware'],
  [
    'a path of ids',
    'gnulinux-advanced-0f5e>gnulinux-6.1.0-18-amd64-advanced-0f5e',
    {},
    'gnulinux-6.1.0-18-amd64-advanced-0f5e',
  ],
  [
    'a path of titles',
    'Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-18-amd64',
    {},
    'gnulinux-6.1.0-18-amd64-advanced-0f5e',
  ],
  ['a title with >', 'Windows >> Boot Manager (on /dev/sda1)', {}, 'osprober-efi-1234'],
  ['nothing of that name', 'gone', {}, 'gnulinux-simple-0f5e'],
  ['a number out of range', '9', {}, 'gnulinux-simple-0f5e'],
  ['saved', 'saved', { saved_entry: '2' }, 'xen-gnulinux-simple-0f5e'],
  ['saved, nothing there', 'saved', {}, 'gnulinux-simple-0f5e'],
  ['next_entry', '0', { next_entry: '1>0' }, 'gnulinux-6.1.0-18-amd64-advanced-0f5e'],
]
for (const [title, grubDefault, env, id] of defaults) {
  test(`default entry: ${title}`, (t) => {
    const found = findDefaultEntry(cfg, { grubDefault, grubenv: new Map(Object.entries(env)) })
    t.like(found, { ok: true, entry: { id }, once: 'next_entry' in env })
  })
}

test('a default that has a name, and one that has a place', (t) => {
  const isNamed = (grubDefault: string) => {
    const found = findDefaultEntry(cfg, { grubDefault })
    return found.ok && found.isNamed
  }
  t.true(isNamed('gnulinux-simple-0f5e'))
  for (const spec of ['0', '1>0', 'gone']) t.false(isNamed(spec), spec)
})

test('a default that is a submenu, or chosen in a way of its own, is a problem', (t) => {
  t.false(findDefaultEntry(cfg, { grubDefault: '1' }).ok)
  t.false(findDefaultEntry(parseGrubCfg(content.replace('set default="0"', 'set default="$mine"')), {}).ok)
  t.false(findDefaultEntry(parseGrubCfg(''), {}).ok)
})

test('the generated file may follow the saved entry', (t) => {
  const saved = parseGrubCfg(content.replace('set default="0"', 'set default="${saved_entry}"'))
  t.like(findDefaultEntry(saved, { grubenv: new Map([['saved_entry', 'uefi-firmware']]) }), {
    ok: true,
    entry: { index: 4 },
  })
  t.like(findDefaultEntry(saved, { grubenv: null }), { ok: true, entry: { index: 0 } })
})
