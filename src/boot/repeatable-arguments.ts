import { foldName } from '../core/fold-name.ts'

/**
 * Arguments that may stand several times, each occurrence with a meaning of its own, so that a new value does not
 * replace an old one. Sources: Documentation/admin-guide/kernel-parameters.txt ("can be used multiple times", early_param
 * and __setup handlers that add up), mm/hugetlb.c, dracut.cmdline(7), systemd's kernel-command-line(7). Not here although
 * guides repeat them: `iommu`, `intel_iommu` (comma lists: members), `module_blacklist` and `vfio-pci.ids` (copied strings:
 * the last wins).
 */
const repeatable: ReadonlySet<string> = new Set(
  [
    'console',
    'earlycon',
    'earlyprintk',
    'hugepages',
    'hugepagesz',
    'video',
    'memmap',
    'initcall_blacklist',
    'acpi_osi',
    'dyndbg',
    'ip',
    'nameserver',
    'ifname',
    'bond',
    'vlan',
    'bridge',
    'cryptdevice',
    'luks.uuid',
    'luks.name',
    'luks.options',
    'modules_load',
    'modprobe.blacklist',
    'systemd.setenv',
    'systemd.mask',
    'systemd.wants',
    'systemd.set_credential',
  ].map(foldName),
)

export function isRepeatable(name: string): boolean {
  return name.startsWith('rd.') || name.endsWith('.dyndbg') || repeatable.has(foldName(name))
}
