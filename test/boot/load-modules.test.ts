import test from 'ava'
import type { ExecutionContext } from 'ava'
import { composeKmodConfiguration } from '../../src/boot/kmod-configuration.ts'
import { loadModules, resolveAlias } from '../../src/boot/load-modules.ts'
import { findNeeds } from '../../src/boot/module-needs.ts'
import { findLoadedIds } from '../../src/boot/id-takers.ts'
import { formatPciId } from '../../src/pci/id.ts'

/** What `modprobe -n -v` of kmod 30 printed for these files, with the modules of Debian's 6.1. */

const kernelSoftdeps = [
  'softdep uhci_hcd pre: ehci_pci',
  'softdep r8169 pre: realtek',
  'softdep vfio post: vfio_iommu_type1 vfio_iommu_spapr_tce',
]

type Files = Readonly<Record<string, string>>

function placeOf(files: Files, commandLine = '') {
  const list = Object.entries(files).map(([name, content]) => ({ path: `/etc/modprobe.d/${name}`, content }))
  const configuration = composeKmodConfiguration({ files: list, softdeps: kernelSoftdeps, commandLine })
  return {
    configuration,
    holds: (module: string) => module !== 'vfio_iommu_spapr_tce',
    needs: (): readonly string[] => [],
    refused: new Set<string>(),
  }
}

function loads(t: ExecutionContext, files: Files, module: string, expected: readonly string[]) {
  const place = placeOf(files)
  const request = { modules: [module], because: 'asked for' }
  t.deepEqual(
    loadModules(place, request, new Set()).insertions.map((each) => each.module),
    expected,
  )
}

test('softdep before', loads, { 'a.conf': 'softdep xhci_pci pre: vfio-pci\n' }, 'xhci_pci', ['vfio_pci', 'xhci_pci'])
test('softdep after, those that are not there left out', loads, {}, 'vfio', ['vfio', 'vfio_iommu_type1'])
test('a file behind modules.softdep comes too late', loads, { 't.conf': 'softdep r8169 pre: vfio-pci\n' }, 'r8169', [
  'realtek',
  'r8169',
])
test('a file before it counts', loads, { 'a.conf': 'softdep uhci_hcd pre: vfio-pci\n' }, 'uhci_hcd', [
  'vfio_pci',
  'uhci_hcd',
])
test('a pattern', loads, { 'a.conf': 'softdep nvidia* pre: vfio-pci\n' }, 'nvidia-drm', ['vfio_pci', 'nvidia_drm'])
test('install', loads, { 'a.conf': 'install xhci_pci /bin/false\n' }, 'xhci_pci', [])
test(
  'install beside a softdep',
  loads,
  { 'a.conf': 'softdep xhci_pci pre: vfio-pci\ninstall xhci_pci /bin/false\ninstall vfio_pci /bin/true\n' },
  'xhci_pci',
  ['xhci_pci'],
)
test(
  'an alias of a file',
  loads,
  { 'a.conf': 'alias pci:v00001234d00001111* vfio-pci\n' },
  'pci:v00001234d00001111sv',
  ['vfio_pci'],
)
test('a name on the blacklist', loads, { 'a.conf': 'blacklist xhci_pci\n' }, 'xhci_pci', [])
test(
  'a softdep comes in spite of the blacklist',
  loads,
  { 'a.conf': 'blacklist vfio_pci\nsoftdep xhci_pci pre: vfio-pci\n' },
  'xhci_pci',
  ['vfio_pci', 'xhci_pci'],
)
function loadsWithNeeds(t: ExecutionContext, files: Files, module: string, expected: readonly string[]) {
  const needs = (name: string) => findNeeds({ modules: new Map([['drm', 'loadable']]) }, name)
  const { insertions } = loadModules({ ...placeOf(files), needs }, { modules: [module], because: '' }, new Set())
  t.deepEqual(
    insertions.map((each) => each.module),
    expected,
  )
}

test('a dependency comes in spite of the blacklist', loadsWithNeeds, { 'a.conf': 'blacklist nvidia\n' }, 'nvidia_drm', [
  'drm',
  'nvidia',
  'nvidia_modeset',
  'nvidia_drm',
])
test(
  'a dependency brings what its softdep names',
  loadsWithNeeds,
  { 'a.conf': 'softdep drm pre: vfio-pci\n' },
  'nouveau',
  ['vfio_pci', 'drm', 'nouveau'],
)
test(
  'a dependency for which an install command stands in',
  loadsWithNeeds,
  { 'a.conf': 'install nvidia /bin/true\n' },
  'nvidia_drm',
  ['drm'],
)
test('an install command that loads nothing', loads, { 'a.conf': 'install a /bin/true # not here\n' }, 'a', [])
test('softdeps in a circle', loads, { 'a.conf': 'softdep a pre: b\nsoftdep b pre: a\n' }, 'a', ['b', 'a'])

test('an install command with another one behind it cannot be told', (t) => {
  for (const rest of [
    '; /sbin/modprobe -i a',
    '&& modprobe -i a',
    '|| modprobe -i a',
    '$(modprobe -i a)',
    '& a',
    '`a`',
  ]) {
    const place = placeOf({ 'a.conf': `install a /bin/true ${rest}\n` })
    const { opaque, held } = loadModules(place, { modules: ['a'], because: '' }, new Set())
    t.deepEqual([[...opaque.keys()], [...held.keys()]], [['a'], []], rest)
  }
})

test('udev respects the blacklist, of the command line as well, by the exact name', (t) => {
  const place = placeOf({ 'a.conf': 'blacklist e1000-e\n' }, 'modprobe.blacklist=bochs,snd-hda-intel')
  const request = { modules: ['e1000_e', 'bochs', 'snd_hda_intel'], because: '' }
  const { insertions, held } = loadModules(place, request, new Set())
  t.deepEqual(
    insertions.map(({ module }) => module),
    ['snd_hda_intel'],
  )
  t.deepEqual(Object.fromEntries(held), {
    e1000_e: 'e1000_e is on the blacklist (/etc/modprobe.d/a.conf:1)',
    bochs: 'bochs is on the blacklist (modprobe.blacklist=bochs)',
  })
})

test('options of files, then of the command line, then of the list', (t) => {
  const { configuration } = placeOf(
    { 't.conf': 'options vfio-pci ids=1:1\noptions vfio_pci disable_vga=1\n' },
    'vfio-pci.ids=2:2',
  )
  const seen = (args?: { text: string; place: string }) => {
    const found = findLoadedIds(configuration, 'vfio_pci', args)
    return [found?.ids.map(formatPciId).join(), found?.place]
  }
  t.deepEqual(seen(), ['0002:0002', 'vfio_pci.ids=2:2'])
  t.deepEqual(seen({ text: 'ids=3:3', place: 'list:1' }), ['0003:0003', 'list:1'])
})

test('what is loaded is not loaded again', (t) => {
  const place = placeOf({ 'a.conf': 'softdep a pre: b\n' })
  const request = { modules: ['a'], because: '' }
  t.deepEqual(
    loadModules(place, request, new Set(['b'])).insertions.map(({ module }) => module),
    ['a'],
  )
  t.deepEqual(loadModules(place, request, new Set(['a'])).insertions, [])
})

test('aliases of files stand for those of the kernel', (t) => {
  t.deepEqual(resolveAlias(placeOf({ 'a.conf': 'alias pci:v00001AF4* foo-bar\n' }), 'pci:v00001AF4d0000'), ['foo_bar'])
  t.deepEqual(resolveAlias(placeOf({}), 'pci:v00001AF4d0000'), [])
})
