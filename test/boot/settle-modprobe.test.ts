import test from 'ava'
import type { Claim } from '../../src/core/claim.ts'
import { hashBytes } from '../../src/boot/check-images.ts'
import { afterPlan, codesOf, contentAfter, ids, planOf, softdep } from './plan-of.ts'
import { directory, file, snapshot } from './snapshots.ts'

const own = '/etc/modprobe.d/passway.conf'
const header = '# Written by passway. Changes to these lines are replaced at its next run.\n'
const vfio = (claims: readonly Claim[], adopt = false) => ({ module: 'vfio_ids', claims, adopt })

test('ids and softdeps go into a file of our own', (t) => {
  const claims = [...ids('10de:1c82', '10de:0fb9'), softdep('nouveau'), softdep('snd_hda_intel')]
  const host = snapshot()
  const plan = planOf(host, [vfio(claims)])
  t.deepEqual(codesOf(plan), [])
  t.is(
    contentAfter(plan, own),
    `${header}options vfio-pci ids=10de:1c82,10de:0fb9
softdep nouveau pre: vfio-pci
softdep snd_hda_intel pre: vfio-pci
`,
  )
  t.deepEqual(plan.regenerate, ['initramfs'])
  t.is(plan.reboot, 'needed')
  t.deepEqual(plan.expectation?.imageFiles, { [own]: hashBytes(contentAfter(plan, own) ?? '') })
  const change = plan.changes[0]
  t.like(change, { kind: 'file', before: null, takesEffect: 'boot', tasks: [0] })
  t.like(change?.after, { mode: 0o644, uid: 0, gid: 0 })
  t.deepEqual(planOf(afterPlan(host, plan), [vfio(claims)]).changes, [])
})

test('ids of two tasks are one line', (t) => {
  const plan = planOf(snapshot(), [vfio(ids('10de:1c82')), vfio(ids('1022:145f'))])
  t.true(contentAfter(plan, own)?.includes('options vfio-pci ids=1022:145f,10de:1c82\n'))
  t.deepEqual(plan.changes[0]?.tasks, [0, 1])
})

test('ids in another file are refused with their place', (t) => {
  const host = snapshot({ files: { '/etc/modprobe.d/vfio.conf': '# by hand\noptions vfio-pci ids=10de:1c82\n' } })
  const plan = planOf(host, [vfio(ids('10de:0fb9'))])
  t.deepEqual(codesOf(plan), ['ADOPT_NEEDED'])
  const [found] = plan.tasks[0]?.diagnostics ?? []
  t.deepEqual(found?.evidence, ['/etc/modprobe.d/vfio.conf:2: ids=10de:1c82'])
  t.regex(found?.hint ?? '', /adopt: true/)
  t.deepEqual(plan.changes, [])
})

test('ids in another file move with adopt, and are claimed from then on', (t) => {
  const path = '/etc/modprobe.d/vfio.conf'
  const host = snapshot({ files: { [path]: file('options vfio-pci ids=10de:1c82 disable_vga=1\n', 0o600) } })
  const task = vfio(ids('10de:0fb9'), true)
  const plan = planOf(host, [task])
  t.is(contentAfter(plan, own), `${header}options vfio-pci ids=10de:0fb9,10de:1c82\n`)
  t.is(
    contentAfter(plan, path),
    '# passway: options vfio-pci ids=10de:1c82 disable_vga=1\noptions vfio-pci disable_vga=1\n',
  )
  const change = plan.changes.find(({ target }) => target === path)
  t.like(change?.after, { mode: 0o600 })
  t.deepEqual(Object.keys(plan.expectation?.imageFiles ?? {}), [own, path])
  t.deepEqual(plan.claims, [...ids('10de:0fb9'), ...ids('10de:1c82')])
  const second = planOf(afterPlan(host, plan), [task])
  t.deepEqual(second.changes, [])
  t.deepEqual(second.orphans, ids('10de:1c82'))
  const pruned = planOf(afterPlan(host, plan), [task], true)
  t.is(contentAfter(pruned, own), `${header}options vfio-pci ids=10de:0fb9\n`)
})

test('another file that holds all that is wanted is left alone', (t) => {
  const host = snapshot({ files: { '/etc/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82,10de:0fb9\n' } })
  t.deepEqual(planOf(host, [vfio(ids('10de:0fb9'))]).changes, [])
  t.deepEqual(codesOf(planOf(host, [vfio(ids('10de:0fb9'))])), [])
})

test('a masked file does not count', (t) => {
  const host = snapshot({
    files: {
      '/usr/lib/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\n',
      '/etc/modprobe.d/vfio.conf': { type: 'link', to: '/dev/null', resolved: '/dev/null' },
      '/dev/null': { type: 'other' },
    },
  })
  const plan = planOf(host, [vfio(ids('10de:0fb9'))])
  t.deepEqual(codesOf(plan), [])
  t.is(contentAfter(plan, own), `${header}options vfio-pci ids=10de:0fb9\n`)
})

test('ids in a file of a package cannot be taken over', (t) => {
  const host = snapshot({ files: { '/usr/lib/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\n' } })
  t.deepEqual(codesOf(planOf(host, [vfio(ids('10de:0fb9'), true)])), ['ADOPT_IMPOSSIBLE'])
})

test('ids on the kernel command line win, so they move too', (t) => {
  const host = snapshot({
    files: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet vfio-pci.ids=10de:1c82"\n' },
  })
  t.deepEqual(codesOf(planOf(host, [vfio(ids('10de:0fb9'))])), ['ADOPT_NEEDED'])
  const plan = planOf(host, [vfio(ids('10de:0fb9'), true)])
  t.is(contentAfter(plan, own), `${header}options vfio-pci ids=10de:0fb9,10de:1c82\n`)
  t.is(contentAfter(plan, '/etc/default/grub'), 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
  t.deepEqual(plan.regenerate, ['initramfs', 'boot-loader'])
})

test('our own file keeps the lines that no task makes, until they are pruned', (t) => {
  const first = [...ids('10de:1c82'), softdep('nouveau')]
  const host = afterPlan(snapshot(), planOf(snapshot(), [vfio(first)]))
  const plan = planOf(host, [vfio(ids('10de:0fb9'))])
  t.is(contentAfter(plan, own), `${header}options vfio-pci ids=10de:1c82,10de:0fb9\nsoftdep nouveau pre: vfio-pci\n`)
  t.deepEqual(plan.orphans, first)
  t.deepEqual(plan.claims, [...ids('10de:0fb9'), ...first])
  const pruned = planOf(host, [vfio(ids('10de:0fb9'))], true)
  t.is(contentAfter(pruned, own), `${header}options vfio-pci ids=10de:0fb9\n`)
  t.is(contentAfter(planOf(host, [], true), own), null)
  t.deepEqual(planOf(host, []).changes, [])
})

test('a softdep by a pattern counts', (t) => {
  const host = snapshot({ files: { '/etc/modprobe.d/nvidia.conf': 'softdep nvidia* pre: vfio vfio-pci\n' } })
  t.deepEqual(planOf(host, [vfio([softdep('nvidia_drm')])]).changes, [])
})

test('of several softdeps only the first counts', (t) => {
  const path = '/etc/modprobe.d/a.conf'
  const host = snapshot({ files: { [path]: 'softdep nouveau pre: i2c_dev post: x\n' } })
  t.deepEqual(codesOf(planOf(host, [vfio([softdep('nouveau')])])), ['ADOPT_NEEDED'])
  const plan = planOf(host, [vfio([softdep('nouveau')], true)])
  t.is(contentAfter(plan, path), '# passway: softdep nouveau pre: i2c_dev post: x\n')
  t.is(contentAfter(plan, own), `${header}softdep nouveau pre: i2c_dev vfio-pci post: x\n`)
})

test('a missing directory is made', (t) => {
  const host = snapshot({ files: { '/etc/modprobe.d': { type: 'absent' } } })
  const plan = planOf(host, [vfio(ids('10de:1c82'))])
  t.deepEqual(
    plan.changes.map(({ kind, target }) => `${kind} ${target}`),
    ['directory /etc/modprobe.d', `file ${own}`],
  )
  t.deepEqual(plan.tasks[0]?.changes, [0, 1])
})

test('links and files that cannot be used', (t) => {
  const refused = (state: Parameters<typeof snapshot>[0]) => codesOf(planOf(snapshot(state), [vfio(ids('10de:1c82'))]))
  const link = { type: 'link', to: '/../../x', resolved: null } as const
  t.deepEqual(refused({ files: { [own]: { ...link, problem: 'escapes' } } }), ['LINK_ESCAPES'])
  t.deepEqual(refused({ files: { [own]: { ...link, problem: 'dangling' } } }), ['LINK_DANGLING'])
  t.deepEqual(refused({ files: { [own]: { type: 'unreadable', reason: 'permission denied' } } }), ['FILE_UNREADABLE'])
  t.deepEqual(refused({ files: { [own]: directory } }), ['FILE_KIND'])
})

test('a file behind a link is edited where it stands', (t) => {
  const host = snapshot({
    files: {
      [own]: { type: 'link', to: '/srv/passway.conf', resolved: '/srv/passway.conf' },
      '/srv/passway.conf': header,
    },
  })
  const plan = planOf(host, [vfio(ids('10de:1c82'))])
  t.is(plan.changes[0]?.target, '/srv/passway.conf')
})

test('ids on the list of early modules count last', (t) => {
  const list = '/etc/initramfs-tools/modules'
  const files = { [list]: 'vfio_pci ids=10de:1c82', [own]: `${header}options vfio-pci ids=10de:0fb9\n` }
  const host = snapshot({ files })
  t.deepEqual(codesOf(planOf(host, [vfio(ids('10de:1c82'))])), [])
  const refused = planOf(host, [vfio(ids('10de:0fb9'))])
  t.deepEqual(codesOf(refused), ['ADOPT_NEEDED'])
  t.deepEqual(refused.tasks[0]?.diagnostics[0]?.evidence, [`${list}:1: ids=10de:1c82`])
  const task = vfio(ids('10de:0fb9'), true)
  const plan = planOf(host, [task])
  t.is(contentAfter(plan, list), '# passway: vfio_pci ids=10de:1c82\nvfio_pci')
  t.is(contentAfter(plan, own), `${header}options vfio-pci ids=10de:0fb9,10de:1c82\n`)
  t.deepEqual(planOf(afterPlan(host, plan), [task]).changes, [])
})

test('a file of a package is not said to be adoptable', (t) => {
  const host = snapshot({ files: { '/usr/lib/modprobe.d/vfio.conf': 'options vfio-pci ids=10de:1c82\n' } })
  const [found] = planOf(host, [vfio(ids('10de:0fb9'))]).tasks[0]?.diagnostics ?? []
  t.regex(found?.hint ?? '', /mask the file/)
})

test('a softdep in a file of a package is masked, not adopted', (t) => {
  const host = snapshot({ files: { '/usr/lib/modprobe.d/gpu.conf': 'softdep nouveau pre: mxm-wmi\n' } })
  const [found] = planOf(host, [vfio([softdep('nouveau')], true)]).tasks[0]?.diagnostics ?? []
  t.is(found?.code, 'ADOPT_NEEDED')
  t.regex(found?.hint ?? '', /mask the file/)
})
