import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import test from 'ava'
import { parseGrubLinuxArguments, quoteForGrub } from '../../src/formats/grub-quoting.ts'
import { readAgentProgram } from '../../src/host/programs.ts'

const directory = mkdtempSync(join(tmpdir(), 'passway-agent-grub-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

type Expected = {
  readonly normal?: readonly string[]
  readonly recovery?: readonly string[]
  readonly absent?: readonly string[]
}

const functions = readAgentProgram().replace(/main "\$@"\n$/, '')
let files = 0

/** What the agent's own reader of grub.cfg finds wrong. */
function findWrong(grubCfg: string, expected: Expected, awk = 'awk'): string {
  files += 1
  const path = join(directory, `${files}.cfg`)
  writeFileSync(path, grubCfg, 'latin1')
  const script = `${functions}\nprepare\nawk() { command ${awk} "$@"; }\nnormal_arguments=$2 recovery_arguments=$3 absent_arguments=$4\ncheck_grub "$1"`
  const lists = [expected.normal, expected.recovery, expected.absent].map((list) =>
    (list ?? []).map((text) => `${text}\n`).join(''),
  )
  // Longer than one argument may be (MAX_ARG_STRLEN of the kernel).
  const end = spawnSync('sh', ['-s', path, ...lists], { input: script, encoding: 'latin1' })
  return end.stdout + end.stderr
}

function entry(args: string, id = 'gnulinux-simple-uuid'): string {
  return `menuentry 'Debian' --class os $menuentry_id_option '${id}' {\n\tlinux\t/boot/vmlinuz-6.1.0 ${args}\n\tinitrd\t/boot/initrd.img-6.1.0\n}\n`
}

function section(content: string, name = '10_linux'): string {
  return `### BEGIN /etc/grub.d/${name} ###\n${content}### END /etc/grub.d/${name} ###\n`
}

const argument = fc
  .string({ unit: fc.constantFrom(...'abc=,-_.:;$ "\'\\{}&#x12'.split('')), minLength: 1, maxLength: 12 })
  .map(quoteForGrub)
  .filter((text) => text !== undefined)

for (const awk of ['awk', 'busybox awk']) {
  test(`${awk}: arguments are read as the controller reads them`, (t) => {
    const lines = fc.array(fc.oneof(argument, fc.constant('$vt_handoff'), fc.constant('a=\\x2d')), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(lines, fc.nat(), (texts, index) => {
        const { words } = parseGrubLinuxArguments(texts.join(' '))
        const normal = words.map((word) => word.argument ?? word.text)
        const grubCfg = section(entry(texts.join(' ')))
        t.is(findWrong(grubCfg, { normal }, awk), '', grubCfg)
        const changed = normal.with(index % normal.length, 'something=else')
        t.regex(findWrong(grubCfg, { normal: changed }, awk), /something=else is missing/)
      }),
      { numRuns: 40 },
    )
  })
}

test('every non-recovery entry counts, of 10_linux alone', (t) => {
  const good = entry('ro quiet iommu=pt')
  const recovery = entry('ro single', 'gnulinux-6.1.0-recovery-uuid')
  const other = section(entry('ro'), '30_os-prober')
  t.is(findWrong(section(good + good + recovery) + other, { normal: ['quiet', 'iommu=pt'] }), '')
  t.is(findWrong(section(good, '10_linux_zfs'), { normal: ['iommu=pt'] }), '')
  t.regex(findWrong(section(good + entry('ro quiet')), { normal: ['iommu=pt'] }), /iommu=pt is missing/)
  t.regex(findWrong(section(good + recovery), { recovery: ['iommu=pt'] }), /iommu=pt is missing/)
  t.regex(findWrong(other, {}), /no entry of 10_linux/)
})

test('names fold, values and whole words do not', (t) => {
  const cfg = section(entry('pcie-acs-override=downstream iommu=pt'))
  t.is(findWrong(cfg, { normal: ['pcie_acs_override=downstream'], absent: ['iomm', 'iommu=p', 'iommu=pt,x'] }), '')
  t.regex(findWrong(cfg, { absent: ['pcie_acs_override'] }), /should be gone/)
  t.regex(findWrong(cfg, { absent: ['iommu=pt'] }), /should be gone/)
})
