import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { ModuleAvailability, PciFunction } from '../../src/core/snapshot.ts'
import {
  aliases,
  audio,
  display,
  driverOf,
  lab,
  necUsb,
  nextBootOf,
  qemuUsb,
  serial,
  spareNic,
  sshNic,
} from './lab-machine.ts'
import type { Lab } from './lab-machine.ts'
import { afterPlan, planOf } from './plan-of.ts'

function available(modules: Readonly<Record<string, ModuleAvailability>>): ReadonlyMap<string, ModuleAvailability> {
  return new Map(Object.entries(modules))
}

/** Driver of a function and whether that is certain; `~` in front: it is not. */
type Expected = Readonly<Record<string, string>>

function boots(t: ExecutionContext, given: Lab, expected: Expected, because?: readonly [string, RegExp]) {
  const host = lab(given)
  const seen = Object.keys(expected).map((address) => {
    const { next, certain } = driverOf(host, address)
    return [address, `${certain ? '' : '~'}${next ?? 'none'}`] as const
  })
  t.deepEqual(Object.fromEntries(seen), expected)
  if (because !== undefined) t.regex(driverOf(host, because[0]).because, because[1])
  const doubts = nextBootOf(host).uncertain.filter(({ code }) => code === 'DRIVER_UNCERTAIN')
  for (const [address, driver] of Object.entries(expected)) {
    t.is(
      doubts.some(({ what }) => what === address),
      driver.startsWith('~'),
      `${address} in uncertain`,
    )
  }
}

const vfio = '/etc/modprobe.d/vfio.conf'
const rules = '/etc/udev/rules.d/10-passway.rules'
const early = '/etc/initramfs-tools/modules'
const idOf = { qemu: '1b36:000d', nec: '1033:0194', nic: '8086:10d3', display: '1234:1111', audio: '8086:2668' }
const softdep = 'softdep xhci_pci pre: vfio-pci\n'
const alone = `options vfio-pci ids=${idOf.qemu}\n${softdep}`

test('nothing is configured: all keep their drivers', (t) => {
  const { drivers, uncertain } = nextBootOf(lab({}))
  for (const [address, { now, next, certain }] of Object.entries(drivers)) {
    t.deepEqual([next, certain], [now, true], address)
  }
  t.is(Object.keys(drivers).length, 16)
  t.deepEqual(uncertain, [])
})

test('nothing is configured and the image is not known: the same', (t) => {
  const { drivers, uncertain } = nextBootOf(lab({ image: 'none' }))
  for (const [address, { now, next, certain }] of Object.entries(drivers)) {
    t.deepEqual([next, certain], [now, true], address)
  }
  t.deepEqual(uncertain, [])
})

test(
  'a single device by its id',
  boots,
  { files: { [vfio]: alone } },
  { [qemuUsb]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
  [
    qemuUsb,
    /^vfio_pci is loaded before xhci_pci \(\/etc\/modprobe\.d\/vfio\.conf:2\); its id is given to it \(\/etc\/modprobe\.d\/vfio\.conf:1\)$/,
  ],
)

test(
  'a whole group',
  boots,
  {
    files: {
      [vfio]: `options vfio-pci ids=${idOf.display},${idOf.audio}\nsoftdep bochs pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n`,
    },
  },
  { [display]: 'vfio-pci', [audio]: 'vfio-pci', '0000:00:01.0': 'vfio-pci' },
)

test(
  'a contaminated group: one member stays with the host',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.audio}\nsoftdep snd_hda_intel pre: vfio-pci\n` },
  },
  { [audio]: 'vfio-pci', [display]: 'bochs-drm' },
)

test(
  'identical ids: both are taken',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.nic}\nsoftdep e1000e pre: vfio-pci\n` },
  },
  { [sshNic]: 'vfio-pci', [spareNic]: 'vfio-pci' },
)

test(
  'identical ids told apart by a subsystem that neither has',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.nic}:1af4:1100\nsoftdep e1000e pre: vfio-pci\n` },
  },
  { [sshNic]: 'e1000e', [spareNic]: 'e1000e' },
)

test(
  'the last line of ids counts',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.qemu}\noptions vfio-pci ids=${idOf.nec}\n${softdep}` },
  },
  { [qemuUsb]: 'xhci_hcd', [necUsb]: 'vfio-pci' },
  [necUsb, /vfio\.conf:2\)/],
)

test(
  'an option in two files: the file that sorts last counts',
  boots,
  {
    files: { '/etc/modprobe.d/a.conf': alone, '/etc/modprobe.d/z.conf': `options vfio-pci ids=${idOf.nec}\n` },
  },
  { [qemuUsb]: 'xhci_hcd', [necUsb]: 'vfio-pci' },
  [necUsb, /z\.conf:1\)/],
)

test(
  'files sort by bytes: 9- comes after 10-',
  boots,
  {
    files: { '/etc/modprobe.d/10-a.conf': `options vfio-pci ids=${idOf.nec}\n`, '/etc/modprobe.d/9-b.conf': alone },
  },
  { [qemuUsb]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
)

test(
  'a file masked from another directory',
  boots,
  {
    files: { '/lib/modprobe.d/vfio.conf': alone, [vfio]: '' },
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'a file of /lib that nothing masks',
  boots,
  {
    files: { '/lib/modprobe.d/vfio.conf': alone },
  },
  { [qemuUsb]: 'vfio-pci' },
)

test(
  'ids on the command line alone, softdep in a file',
  boots,
  {
    files: { [vfio]: softdep },
    args: `vfio-pci.ids=${idOf.nec}`,
  },
  { [necUsb]: 'vfio-pci', [qemuUsb]: 'xhci_hcd' },
  [necUsb, /vfio_pci\.ids=1033:0194/],
)

test(
  'ids on the command line come after those of files',
  boots,
  {
    files: { [vfio]: alone },
    args: `vfio-pci.ids=${idOf.nec}`,
  },
  { [necUsb]: 'vfio-pci', [qemuUsb]: 'xhci_hcd' },
)

test(
  'ids with a blank on the command line',
  boots,
  {
    files: { [vfio]: softdep },
    args: `vfio_pci.ids=${idOf.nec},${idOf.qemu}`,
  },
  { [necUsb]: 'vfio-pci', [qemuUsb]: 'vfio-pci' },
)

test(
  'ids behind the name in the list of early modules',
  boots,
  {
    files: { [early]: `vfio_pci ids=${idOf.audio}\n` },
    args: `vfio-pci.ids=${idOf.nec}`,
  },
  { [audio]: 'vfio-pci', [necUsb]: 'xhci_hcd' },
  [audio, /initramfs-tools\/modules:1/],
)

test(
  'no softdep, the other driver is in the image',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.qemu}\n`, [early]: 'vfio-pci\n' },
  },
  { [qemuUsb]: 'xhci_hcd' },
  [qemuUsb, /nothing makes xhci_pci wait for vfio-pci/],
)

test(
  'no softdep, the other driver is not in the image, vfio-pci is',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.audio}\n`, [early]: 'vfio-pci\n' },
  },
  { [audio]: 'vfio-pci' },
  [audio, /loaded in the initramfs \(\/etc\/initramfs-tools\/modules:1\)/],
)

test(
  'no softdep, vfio-pci from modules-load.d only: a race',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.audio}\n`, '/etc/modules-load.d/vfio.conf': 'vfio-pci\n' },
  },
  { [audio]: '~vfio-pci' },
  [audio, /or snd_hda_intel, because modules-load\.d and udev/],
)

test(
  'nothing loads vfio-pci',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.audio}\nblacklist snd_hda_intel\n` },
  },
  { [audio]: 'none' },
  [audio, /nothing loads vfio-pci/],
)

test(
  'a softdep behind modules.softdep of the kernel has no effect',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.qemu}\n${softdep}` },
    kernel: { softdeps: ['softdep xhci_pci pre: xhci_pci_renesas'] },
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'a softdep before modules.softdep has one',
  boots,
  {
    files: { '/etc/modprobe.d/amd.conf': alone },
    kernel: { softdeps: ['softdep xhci_pci pre: xhci_pci_renesas'] },
  },
  { [qemuUsb]: 'vfio-pci' },
)

test(
  'the image lacks vfio-pci: it was built before',
  boots,
  {
    files: { [vfio]: alone },
    image: 'old',
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'the image was built before, and the driver is not in it',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.audio}\nsoftdep snd_hda_intel pre: vfio-pci\n` },
    image: 'old',
  },
  { [audio]: 'vfio-pci' },
)

test(
  'nothing is known of the image',
  boots,
  {
    files: { [vfio]: alone },
    image: 'none',
  },
  { [qemuUsb]: '~vfio-pci', [necUsb]: 'xhci_hcd' },
  [qemuUsb, /was not read back/],
)

test(
  'blacklist',
  boots,
  { files: { [vfio]: 'blacklist snd-hda-intel\n' } },
  { [audio]: 'none', [display]: 'bochs-drm' },
  [audio, /snd_hda_intel is on the blacklist \(\/etc\/modprobe\.d\/vfio\.conf:1\)/],
)

test(
  'modprobe.blacklist= with the folded name',
  boots,
  { args: 'modprobe.blacklist=snd_hda_intel' },
  { [audio]: 'none' },
)
test(
  'modprobe.blacklist= with a dash has no effect',
  boots,
  { args: 'modprobe.blacklist=snd-hda-intel' },
  {
    [audio]: 'snd_hda_intel',
  },
)

test(
  'a blacklist with a line of a list: systemd holds to it',
  boots,
  {
    files: { [vfio]: 'blacklist snd_hda_intel\n', '/etc/modules-load.d/snd.conf': 'snd_hda_intel\n' },
  },
  { [audio]: 'none' },
)

test(
  'a blacklist with a line in the image: its init has modprobe hold to it as well',
  boots,
  {
    files: { [vfio]: 'blacklist snd_hda_intel\n', [early]: 'snd_hda_intel\n' },
  },
  { [audio]: 'none' },
  [audio, /blacklist/],
)

test(
  'install /bin/false',
  boots,
  {
    files: { [vfio]: 'install snd_hda_intel /bin/false\n', [early]: 'snd_hda_intel\n' },
  },
  { [audio]: 'none' },
  [audio, /install command/],
)

test(
  'install /bin/false with a softdep: kmod drops it',
  boots,
  {
    files: { [vfio]: 'install snd_hda_intel /bin/false\nsoftdep snd_hda_intel pre: vfio-pci\n' },
  },
  { [audio]: 'snd_hda_intel' },
)

test(
  'an install command of its own',
  boots,
  {
    files: { [vfio]: 'install snd_hda_intel /sbin/modprobe vfio-pci; /sbin/modprobe -i snd_hda_intel\n' },
  },
  { [audio]: '~snd_hda_intel' },
  [audio, /cannot be told/],
)

test(
  'module_blacklist= by the kernel',
  boots,
  {
    files: { [early]: 'snd_hda_intel\n' },
    args: 'module_blacklist=snd_hda_intel',
  },
  { [audio]: 'none' },
  [audio, /module_blacklist/],
)

test(
  'module_blacklist= is not folded, and the last one counts',
  boots,
  {
    args: 'module_blacklist=e1000e module_blacklist=snd-hda-intel,bochs',
  },
  { [audio]: 'snd_hda_intel', [spareNic]: 'e1000e', [display]: 'none' },
)

test(
  'blacklist= of initramfs-tools is for the image alone',
  boots,
  {
    args: 'blacklist=xhci_pci',
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'rd.driver.pre is dracut’s',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.qemu}\n` },
    args: 'rd.driver.pre=vfio-pci rd.driver.blacklist=xhci_pci',
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'a driver that is built in comes before vfio-pci',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=1b36:0002\n`, [early]: 'vfio-pci\n' },
  },
  { [serial]: 'serial' },
  [serial, /built in to this kernel and comes before vfio-pci/],
)

test(
  'a driver by class, built in',
  boots,
  {
    files: { [vfio]: `options vfio-pci ids=${idOf.qemu}\n`, [early]: 'vfio-pci\n' },
    kernel: {
      pciAliases: aliases.filter(({ module }) => module !== 'xhci_pci'),
      modules: available({ xhci_pci: 'builtin', vfio_pci: 'loadable' }),
    },
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'vfio-pci built in: ids of files are dead',
  boots,
  {
    files: { [vfio]: alone },
    kernel: { modules: available({ vfio_pci: 'builtin' }) },
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'vfio-pci built in, ids on the command line',
  boots,
  {
    args: `vfio-pci.ids=${idOf.qemu}`,
    kernel: { modules: available({ vfio_pci: 'builtin' }) },
  },
  { [qemuUsb]: 'vfio-pci' },
)

test(
  'vfio-pci and the driver built in',
  boots,
  {
    args: 'vfio-pci.ids=1b36:0002',
    kernel: { modules: available({ vfio_pci: 'builtin' }) },
  },
  { [serial]: '~serial' },
)

test(
  'pci-stub built in comes first',
  boots,
  {
    args: 'pci-stub.ids=1b36:0002',
    kernel: { modules: available({ pci_stub: 'builtin' }) },
  },
  { [serial]: 'pci-stub' },
)

test(
  'no vfio-pci in this kernel',
  boots,
  {
    files: { [vfio]: alone },
    kernel: { modules: available({ vfio_pci: 'absent' }) },
  },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'an alias of modprobe.d stands for those of the kernel',
  boots,
  {
    files: {
      [vfio]: `options vfio-pci ids=${idOf.audio}\nalias pci:v00008086d00002668sv*sd*bc*sc*i* vfio-pci\n`,
    },
  },
  { [audio]: 'vfio-pci' },
)

const overrideHeader = 'ACTION!="add", GOTO="passway_end"\nSUBSYSTEM!="pci", GOTO="passway_end"\n'
const overrideFooter = `ENV{.PASSWAY_DRIVER}=="", GOTO="passway_end"
TEST=="driver/unbind", TEST!="/sys/bus/pci/drivers/$env{.PASSWAY_DRIVER}/$kernel", ATTR{driver/unbind}="$kernel"
TEST!="driver", ATTR{subsystem/drivers_probe}="$kernel"
LABEL="passway_end"
`

function override(address: string, driver: string, more = ''): string {
  const line = `KERNEL=="${address}", ${more}ATTR{driver_override}="${driver}", ENV{.PASSWAY_DRIVER}="${driver}"\n`
  return overrideHeader + line + overrideFooter
}

test(
  'override of one of two identical controllers',
  boots,
  {
    files: { [rules]: override(spareNic, 'vfio-pci'), [early]: 'vfio_pci\n' },
  },
  { [spareNic]: 'vfio-pci', [sshNic]: 'e1000e' },
  [spareNic, /driver_override is vfio-pci \(.*10-passway\.rules:3\)/],
)

test(
  'override of the one with the lower address',
  boots,
  {
    files: { [rules]: override(sshNic, 'vfio-pci'), [early]: 'vfio_pci\n' },
  },
  { [spareNic]: 'e1000e', [sshNic]: 'vfio-pci' },
)

test(
  'override of a device whose driver is in the image',
  boots,
  {
    files: { [rules]: override(necUsb, 'vfio-pci'), [early]: 'vfio_pci\n' },
  },
  { [necUsb]: 'vfio-pci', [qemuUsb]: 'xhci_hcd' },
)

test(
  'override takes a device off a driver that is built in',
  boots,
  {
    files: { [rules]: override(serial, 'vfio-pci'), [early]: 'vfio_pci\n' },
  },
  { [serial]: 'vfio-pci' },
)

test(
  'override with the identity of the device',
  boots,
  {
    files: {
      [rules]: override(spareNic, 'vfio-pci', 'ATTR{vendor}=="0x8086", ATTR{device}=="0x10d3", '),
      [early]: 'vfio_pci\n',
    },
  },
  { [spareNic]: 'vfio-pci' },
)

test(
  'override for another device at that address',
  boots,
  {
    files: { [rules]: override(spareNic, 'vfio-pci', 'ATTR{vendor}=="0x10de", '), [early]: 'vfio_pci\n' },
  },
  { [spareNic]: 'e1000e' },
)

test('override to no driver', boots, { files: { [rules]: override(spareNic, 'none') } }, { [spareNic]: 'none' }, [
  spareNic,
  /driver_override is none/,
])

test(
  'override without anything that loads vfio-pci',
  boots,
  {
    files: { [rules]: override(spareNic, 'vfio-pci') },
  },
  { [spareNic]: 'none' },
  [spareNic, /no such driver came/],
)

const byHand = (address: string) => ({
  '/etc/udev/rules.d/20-vfio.rules': `SUBSYSTEM=="pci", KERNEL=="${address}", ATTR{driver_override}="vfio-pci"\n`,
  [early]: 'vfio_pci\n',
})

test(
  'an override by hand that does not probe: the twin may load the driver first',
  boots,
  { files: byHand(necUsb) },
  { [necUsb]: '~vfio-pci' },
  [necUsb, /or xhci_hcd, because drivers are loaded side by side/],
)

test(
  'an override by hand that is there before the driver can be',
  boots,
  { files: byHand(spareNic) },
  { [spareNic]: 'vfio-pci', [sshNic]: 'e1000e' },
)

test(
  'a rule that runs a program',
  boots,
  {
    files: {
      '/etc/udev/rules.d/20-vfio.rules': `SUBSYSTEM=="pci", KERNEL=="${spareNic}", RUN+="/usr/local/sbin/driver_override %k"\n`,
    },
  },
  { [spareNic]: '~e1000e', [sshNic]: 'e1000e' },
)

test(
  'no IOMMU: vfio-pci takes nothing',
  boots,
  {
    files: { [vfio]: alone },
    args: 'intel_iommu=off',
    liveArgs: '',
  },
  { [qemuUsb]: 'xhci_hcd' },
  [qemuUsb, /no IOMMU group/],
)

test(
  'a driver_override of now that no rule sets',
  boots,
  {
    change: (functions) =>
      functions.map((each) =>
        each.address === audio ? { ...each, driver: 'vfio-pci', driverOverride: 'vfio-pci' } : each,
      ),
  },
  { [audio]: '~snd_hda_intel', [display]: 'bochs-drm' },
  [audio, /its driver_override is vfio-pci now, and who set it/],
)

test(
  'a driver_override of now that agrees with the files',
  boots,
  {
    files: { [vfio]: alone },
    change: (functions) =>
      functions.map((each) =>
        each.address === qemuUsb ? { ...each, driver: 'vfio-pci', driverOverride: 'vfio-pci' } : each,
      ),
  },
  { [qemuUsb]: 'vfio-pci' },
)

test('a rule of now that the plan takes away explains the override', (t) => {
  const at = { address: spareNic, id: '8086:10d3', subsystem: '8086:0000', serial: null, slotPath: '' }
  const claim = { want: 'present', of: 'driver', device: at, driver: 'vfio-pci', live: false } as const
  const host = lab({ holds: ['vfio_pci'] })
  const owned = afterPlan(host, planOf(host, [[claim]]))
  const pci = owned.pci.map((each) =>
    each.address === spareNic ? { ...each, driver: 'vfio-pci', driverOverride: 'vfio-pci' } : each,
  )
  const { nextBoot } = planOf({ ...owned, pci }, [], true)
  t.like(nextBoot?.drivers[spareNic], { next: 'e1000e', certain: true })
})

const nvidiaGpu = (more: Partial<PciFunction>) => (functions: readonly PciFunction[]) =>
  functions.map((each) =>
    each.address === display
      ? {
          ...each,
          vendor: '10de',
          device: '1c82',
          class: '030000',
          modalias: 'pci:v000010DEd00001C82sv00001AF4sd00001100bc03sc00i00',
          ...more,
        }
      : each,
  )
const nvidiaAliases = ['nouveau', 'nvidia_drm', 'nvidia'].map((module) => ({
  pattern: 'pci:v000010DEd*sv*sd*bc03sc00i00*',
  module,
  builtin: false,
}))
const nvidiaKernel = { pciAliases: [...aliases, ...nvidiaAliases] }
const ofPackage = 'blacklist nouveau\n'
const runsNvidia = {
  more: { loadedModules: new Set(['nvidia', 'nvidia_drm', 'nvidia_modeset']) },
  kernel: nvidiaKernel,
}

test(
  'nvidia_drm takes no function: nvidia keeps it',
  boots,
  { ...runsNvidia, files: { [vfio]: ofPackage }, change: nvidiaGpu({ driver: 'nvidia' }) },
  { [display]: 'nvidia' },
)

test(
  'nvidia_drm takes no function: nvidia gets it back from guests',
  boots,
  { kernel: nvidiaKernel, files: { [vfio]: ofPackage }, change: nvidiaGpu({ driver: 'vfio-pci' }) },
  { [display]: 'nvidia' },
)

test(
  'nvidia on the blacklist comes with nvidia_drm',
  boots,
  { ...runsNvidia, files: { [vfio]: `${ofPackage}blacklist nvidia\n` }, change: nvidiaGpu({ driver: 'nvidia' }) },
  { [display]: 'nvidia' },
  [display, /nvidia is loaded before nvidia_drm, which needs it/],
)

test(
  'nvidia and nvidia_drm on the blacklist',
  boots,
  {
    kernel: nvidiaKernel,
    files: { [vfio]: `${ofPackage}blacklist nvidia\nblacklist nvidia_drm\n` },
    change: nvidiaGpu({ driver: 'nvidia' }),
  },
  { [display]: 'none' },
)

test(
  'a softdep of nvidia counts where nvidia_drm asks for it',
  boots,
  {
    kernel: nvidiaKernel,
    files: { [vfio]: `${ofPackage}options vfio-pci ids=10de:1c82\nsoftdep nvidia pre: vfio-pci\n` },
    change: nvidiaGpu({ driver: 'nvidia' }),
  },
  { [display]: 'vfio-pci' },
)

const nouveauKernel = { pciAliases: [...aliases, ...nvidiaAliases.slice(0, 1)] }
const onNouveau = { change: nvidiaGpu({ driver: 'nouveau' }), kernel: nouveauKernel }
const drmFirst = 'options vfio-pci ids=10de:1c82\nsoftdep drm pre: vfio-pci\n'

test(
  'a softdep of drm, which nouveau needs',
  boots,
  {
    ...onNouveau,
    files: { [vfio]: drmFirst },
    kernel: { ...nouveauKernel, modules: available({ vfio_pci: 'loadable', drm: 'loadable' }) },
  },
  { [display]: 'vfio-pci', '0000:00:01.0': 'bochs-drm' },
  [display, /vfio_pci is loaded before drm/],
)

test(
  'a softdep of drm that is built in',
  boots,
  {
    ...onNouveau,
    files: { [vfio]: drmFirst },
    kernel: { ...nouveauKernel, modules: available({ vfio_pci: 'loadable', drm: 'builtin' }) },
  },
  { [display]: 'nouveau' },
)

test(
  'a softdep of a module that others may need',
  boots,
  { files: { [vfio]: `options vfio-pci ids=${idOf.audio}\nsoftdep snd_hda_codec pre: vfio-pci\n` } },
  { [audio]: '~snd_hda_intel', [qemuUsb]: 'xhci_hcd' },
  [audio, /vfio_pci is loaded with snd_hda_codec \(.*vfio\.conf:2\), and what needs snd_hda_codec cannot be told/],
)

test(
  'a softdep of a driver that this host has no use for',
  boots,
  { files: { [vfio]: `options vfio-pci ids=${idOf.audio}\nsoftdep amdgpu pre: vfio-pci\n` } },
  { [audio]: 'snd_hda_intel' },
)

test('nomodeset', boots, { args: 'nomodeset', liveArgs: '' }, { [display]: 'none', '0000:00:01.0': 'none' }, [
  display,
  /bochs does not start with nomodeset/,
])
test(
  'nomodeset, and vfio-pci comes first',
  boots,
  {
    args: 'nomodeset',
    files: { [vfio]: `options vfio-pci ids=${idOf.display}\nsoftdep bochs pre: vfio-pci\n` },
  },
  { [display]: 'vfio-pci' },
)
test(
  'nomodeset, and the driver is told to start',
  boots,
  { args: 'nomodeset bochs.modeset=1' },
  { [display]: 'bochs-drm' },
)
test('modeset=0', boots, { files: { [vfio]: 'options bochs modeset=0\n' } }, { [display]: 'none' }, [
  display,
  /modeset=0 \(\/etc\/modprobe\.d\/vfio\.conf:1\)/,
])
test(
  'nomodeset is not for nvidia',
  boots,
  { ...runsNvidia, args: 'nomodeset', files: { [vfio]: ofPackage }, change: nvidiaGpu({ driver: 'nvidia' }) },
  { [display]: 'nvidia' },
)
test(
  'nomodeset and an option that some versions have',
  boots,
  {
    args: 'nomodeset i915.modeset=1',
    change: nvidiaGpu({ driver: 'i915' }),
    kernel: { pciAliases: [{ pattern: 'pci:v000010DEd*sv*sd*bc03*', module: 'i915', builtin: false }] },
    more: { loadedModules: new Set(['i915']) },
  },
  { [display]: '~i915' },
)
test(
  'nomodeset and a driver that is built in',
  boots,
  {
    args: 'nomodeset',
    kernel: { pciAliases: aliases.map((each) => ({ ...each, builtin: each.module === 'bochs' })) },
  },
  { [display]: '~bochs-drm' },
)

test(
  'an install command that goes on behind true',
  boots,
  { files: { [vfio]: 'install xhci_pci /bin/true ; /sbin/modprobe --ignore-install xhci_pci\n' } },
  { [qemuUsb]: '~xhci_hcd' },
  [qemuUsb, /cannot be told/],
)

const notByDefault = {
  config: new Map([
    ['CONFIG_INTEL_IOMMU', 'y'],
    ['CONFIG_INTEL_IOMMU_DEFAULT_ON', 'n'],
  ]),
}
const byDefault = {
  config: new Map([
    ['CONFIG_INTEL_IOMMU', 'y'],
    ['CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF', 'y'],
  ]),
}
const takenAway = { files: { [vfio]: alone }, args: 'iommu=pt', liveArgs: 'intel_iommu=on iommu=pt' }

test(
  'intel_iommu=on is taken away, and the kernel does not do it by itself',
  boots,
  { ...takenAway, kernel: notByDefault },
  { [qemuUsb]: 'xhci_hcd' },
  [qemuUsb, /no IOMMU group/],
)

test(
  'intel_iommu=on is taken away, and the kernel does it by itself',
  boots,
  { ...takenAway, kernel: byDefault },
  { [qemuUsb]: 'vfio-pci' },
)

test(
  'intel_iommu=on is taken away, and what the kernel does is not known',
  boots,
  takenAway,
  { [qemuUsb]: '~vfio-pci', [necUsb]: 'xhci_hcd' },
  [qemuUsb, /or xhci_hcd, because whether it will have an IOMMU group cannot be told/],
)

const other = { running: false }
const otherRuns = { ...takenAway, more: { kernelRelease: '5.10.0-1-amd64' } }

test(
  'another kernel boots, without an IOMMU',
  boots,
  { ...otherRuns, kernel: { ...other, ...notByDefault } },
  { [qemuUsb]: 'xhci_hcd' },
)

test(
  'another kernel boots, with one',
  boots,
  { ...otherRuns, kernel: { ...other, ...byDefault } },
  { [qemuUsb]: 'vfio-pci' },
)

test(
  'another kernel boots, and whether it has one is not known',
  boots,
  { ...otherRuns, args: 'intel_iommu=on', kernel: other },
  { [qemuUsb]: '~vfio-pci' },
)

const withGraphics = (functions: readonly PciFunction[]) =>
  functions.map((each) =>
    each.address === display ? { ...each, vendor: '8086', device: '3e92', modalias: null, driver: null } : each,
  )
const graphics = { change: withGraphics, files: { [vfio]: 'options vfio-pci ids=8086:3e92\n', [early]: 'vfio-pci\n' } }

test(
  'igfx_off: integrated graphics may lose their group',
  boots,
  { ...graphics, args: 'intel_iommu=on,igfx_off', liveArgs: 'intel_iommu=on' },
  { [display]: '~vfio-pci' },
)

test(
  'integrated graphics are translated only with intel_iommu=on',
  boots,
  { ...graphics, args: 'quiet', liveArgs: 'intel_iommu=on', kernel: byDefault },
  { [display]: '~vfio-pci' },
)

test(
  'integrated graphics stay as they are',
  boots,
  { ...graphics, args: 'intel_iommu=on iommu=pt', liveArgs: 'intel_iommu=on', kernel: byDefault },
  { [display]: 'vfio-pci' },
)

test(
  'a driver that is loaded and leaves a function alone',
  boots,
  {
    change: (functions) => functions.map((each) => (each.address === audio ? { ...each, driver: null } : each)),
  },
  { [audio]: '~none' },
  [audio, /snd_hda_intel is loaded now and has not taken it/],
)

test(
  'a function that a guest has now goes back',
  boots,
  {
    change: (functions) => functions.map((each) => (each.address === audio ? { ...each, driver: 'vfio-pci' } : each)),
  },
  { [audio]: 'snd_hda_intel' },
)

test(
  'virtual functions are made after a boot',
  boots,
  {
    change: (functions) =>
      functions.map((each) => (each.address === audio ? { ...each, physicalFunction: sshNic } : each)),
  },
  { [audio]: '~snd_hda_intel' },
)

test(
  'another kernel boots: what is built in there cannot be told',
  boots,
  {
    more: { kernelRelease: '5.10.0-1-amd64' },
    kernel: { running: false },
  },
  { [serial]: '~serial', [qemuUsb]: 'xhci_hcd' },
)

test(
  'another kernel boots: PCIe ports',
  boots,
  {
    more: { kernelRelease: '5.10.0-1-amd64' },
    kernel: { running: false, config: new Map([['CONFIG_PCIEPORTBUS', 'y']]) },
  },
  { '0000:00:04.0': 'pcieport' },
)

const overridden = (functions: readonly PciFunction[]) =>
  functions.map((each) =>
    each.address === serial ? { ...each, driver: 'vfio-pci', driverOverride: 'vfio-pci' } : each,
  )

test(
  'an override goes, and what is built in for the function does not show',
  boots,
  { change: overridden },
  { [serial]: '~vfio-pci' },
  [serial, /built in cannot be told/],
)

test(
  'ids instead of an override: a driver that is built in may be first',
  boots,
  { files: { [vfio]: 'options vfio-pci ids=1b36:0002\n', [early]: 'vfio-pci\n' }, change: overridden },
  { [serial]: '~vfio-pci' },
)

test(
  'a function without any other driver stays with the ids that it is given',
  boots,
  {
    files: { [vfio]: 'options vfio-pci ids=1b36:0002\n', [early]: 'vfio-pci\n' },
    change: (functions) => functions.map((each) => (each.address === serial ? { ...each, driver: 'vfio-pci' } : each)),
  },
  { [serial]: 'vfio-pci' },
)
