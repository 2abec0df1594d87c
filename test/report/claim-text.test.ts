import test from 'ava'
import type { Claim, DeviceIdentity } from '../../src/core/claim.ts'
import { renderClaim } from '../../src/report/plan-text.ts'

const device = { address: '0000:01:00.0' } as DeviceIdentity
const claims: readonly (readonly [Claim, string])[] = [
  [
    { want: 'present', of: 'kernel-argument', name: 'iommu', value: 'pt', member: true, entries: 'normal' },
    'kernel argument iommu=pt',
  ],
  [
    { want: 'present', of: 'kernel-argument', name: 'rd.iscsi.password', value: 'hidden', entries: 'all' },
    'kernel argument rd.iscsi.password=***',
  ],
  [
    { want: 'absent', of: 'kernel-argument', name: 'quiet', value: null, entries: 'all' },
    'absent: kernel argument quiet',
  ],
  [
    { want: 'present', of: 'argument-sequence', owner: 'x', args: ['hugepagesz=1G', 'hugepages=4'], names: [] },
    'kernel arguments hugepagesz=1G hugepages=4',
  ],
  [
    { want: 'present', of: 'module-option', module: 'vfio-pci', option: 'ids', value: '10de:1c82', merge: 'union' },
    'option of module vfio-pci: ids=10de:1c82',
  ],
  [{ want: 'present', of: 'softdep', module: 'nouveau', pre: ['vfio-pci'] }, 'softdep nouveau pre: vfio-pci'],
  [{ want: 'present', of: 'early-module', module: 'vfio' }, 'module vfio, from the initramfs'],
  [{ want: 'present', of: 'driver', device, driver: null, live: false }, 'driver of 0000:01:00.0: no driver'],
  [{ want: 'present', of: 'file', target: '/etc/a', content: 'x', mode: 0o644 }, 'file /etc/a'],
  [
    { want: 'present', of: 'environment-variable', target: '/etc/default/x', name: 'A', value: null },
    'A not set in /etc/default/x',
  ],
  [
    { want: 'present', of: 'unit', target: 'a.service', after: { enabled: true, active: false, masked: false } },
    'unit a.service: enabled, stopped',
  ],
]

for (const [claim, text] of claims) test(`orphan: ${text}`, (t) => t.is(renderClaim(claim), text))
