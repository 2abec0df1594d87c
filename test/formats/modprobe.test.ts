import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import {
  appendModprobeLines,
  commentOutModprobeLines,
  effectiveOptions,
  formatModprobe,
  matchesModule,
  mergeModprobeDirectories,
  modprobeDirectories,
  parseCommandLineModprobe,
  parseModprobe,
  parseSoftdep,
  removeModprobeLines,
  uncommentModprobeLines,
} from '../../src/formats/modprobe.ts'
import type { ModprobeLine } from '../../src/formats/modprobe.ts'
import { readCases, titleOf } from './cases.ts'

/** The lines as `modprobe --showconfig` prints them: by kind, in order of the files. */
function showConfig(lines: readonly ModprobeLine[]): readonly string[] {
  const kinds = ['blacklist', 'install', 'remove', 'alias', 'options', 'softdep', 'weakdep']
  return kinds.flatMap((kind) => lines.filter((line) => line.kind === kind).map(showLine))
}

/** kmod's printer leaves out the blank before `post:`. */
function showLine(line: ModprobeLine): string {
  if (line.kind === 'blacklist') return `blacklist ${line.module}`
  if (line.kind !== 'softdep') return `${line.kind} ${line.module} ${line.value}`
  const { pre, post } = parseSoftdep(line.value)
  const lists = [pre.length > 0 ? `pre: ${pre.join(' ')}` : '', post.length > 0 ? `post: ${post.join(' ')}` : '']
  return `softdep ${line.module} ${lists.join('')}`
}

type FileCase = { input: string; lines: string[]; bad: number }
for (const [index, { input, lines, bad }] of (readCases('modprobe-files') as FileCase[]).entries()) {
  test(titleOf('kmod', index, input), (t) => {
    const document = parseModprobe(input)
    t.deepEqual(showConfig(document.lines), lines)
    t.is(document.lines.filter((line) => line.kind === 'bad').length, bad)
  })
}

type RealCase = { name: string; input: string; lines: string[] }
for (const [index, { name, input, lines }] of (readCases('real-modprobe') as RealCase[]).entries()) {
  test(`real host ${index + 1}: ${name}`, (t) => t.deepEqual(showConfig(parseModprobe(input).lines), lines))
}

type DirectoryCase = { directories: Record<string, string>[]; lines: string[] }
for (const [index, { directories, lines }] of (readCases('modprobe-directories') as DirectoryCase[]).entries()) {
  test(titleOf('directories', index, directories), (t) => {
    const files = directories.flatMap((names, place) =>
      Object.entries(names).map(([name, content]) => ({ path: `${modprobeDirectories[place]}/${name}`, content })),
    )
    t.deepEqual(showConfig(mergeModprobeDirectories(files)), lines)
  })
}

type CommandLineCase = { input: string; lines: string[] }
for (const [index, { input, lines }] of (readCases('modprobe-command-line') as CommandLineCase[]).entries()) {
  test(titleOf('command line', index, input), (t) => {
    const shown = parseCommandLineModprobe(input).map((entry) =>
      entry.kind === 'options' ? `options ${entry.module} ${entry.value}` : `blacklist ${entry.module}`,
    )
    t.deepEqual(shown, lines)
  })
}

test('a quote that GRUB put around the whole argument moves to the value', (t) => {
  t.deepEqual(parseCommandLineModprobe('quiet "parport.dyndbg=file x +p" y.z="a b"'), [
    { kind: 'options', module: 'parport', value: 'dyndbg="file x +p"' },
    { kind: 'options', module: 'y', value: 'z="a b"' },
  ])
})

test('an earlier directory masks the same file name, even when it is empty', (t) => {
  const files = [
    { path: '/usr/lib/modprobe.d/b.conf', content: 'options x from=usr\n' },
    { path: '/lib/modprobe.d/a.conf', content: 'options x from=lib\n' },
    { path: '/etc/modprobe.d/b.conf', content: '' },
    { path: '/etc/modprobe.d/10-z.conf', content: '# c\noptions x from=etc ids=1\n' },
    { path: '/etc/modprobe.d/sub/q.conf', content: 'options x no\n' },
  ]
  t.deepEqual(effectiveOptions(mergeModprobeDirectories(files), 'x'), [
    { name: 'from', value: 'etc', path: '/etc/modprobe.d/10-z.conf', line: 2 },
    { name: 'ids', value: '1', path: '/etc/modprobe.d/10-z.conf', line: 2 },
    { name: 'from', value: 'lib', path: '/lib/modprobe.d/a.conf', line: 1 },
  ])
})

test('options of a module are found under both spellings', (t) => {
  const entries = mergeModprobeDirectories([
    {
      path: '/etc/modprobe.d/a.conf',
      content: 'options vfio-pci ids=1:2\\\n disable_vga=1\noptions vfio_pci ids=3:4\n',
    },
  ])
  t.deepEqual(
    effectiveOptions(entries, 'vfio-pci').map(({ name, value, line }) => [name, value, line]),
    [
      ['ids', '1:2', 1],
      ['disable_vga', '1', 1],
      ['ids', '3:4', 3],
    ],
  )
})

test('one blank too many before pre: makes a softdep void', (t) => {
  const lists = (content: string) => parseModprobe(content).lines.map((line) => parseSoftdep(line.value))
  t.deepEqual(lists('softdep a pre: b\tc post: d\nsoftdep a  pre: b\nsoftdep a   pre: b\nsoftdep a x pre: b\n'), [
    { pre: ['b', 'c'], post: ['d'] },
    { pre: [], post: [] },
    { pre: ['b'], post: [] },
    { pre: ['b'], post: [] },
  ])
})

test('globs of softdep match as fnmatch does', (t) => {
  t.true(matchesModule('nvidia*', 'nvidia-drm'))
  t.true(matchesModule('snd-[a-h]da?intel', 'snd_hda_intel'))
  t.false(matchesModule('snd_[!h]da*', 'snd_hda_intel'))
  t.false(matchesModule('nvidia', 'nvidia_drm'))
})

const hand = '# by hand\r\noptions vfio-pci ids=1:2 # GPU\n\n blacklist nouveau\\\n\nsoftdep x pre: vfio-pci'
const isVfio = (line: ModprobeLine) => line.kind === 'options' && line.module === 'vfio_pci'

test('edits leave every other byte', (t) => {
  const document = parseModprobe(hand)
  t.is(formatModprobe(removeModprobeLines(document, isVfio)), hand.replace('options vfio-pci ids=1:2 # GPU\n', ''))
  const commented = commentOutModprobeLines(document, isVfio, 'passway')
  t.is(formatModprobe(commented), hand.replace('options vfio', '# passway: options vfio'))
  t.is(formatModprobe(uncommentModprobeLines(commented, isVfio, 'passway')), hand)
  t.is(formatModprobe(uncommentModprobeLines(commented, () => false, 'passway')), formatModprobe(commented))
  t.is(formatModprobe(appendModprobeLines(document, ['options a b=1'])), `${hand}\noptions a b=1`)
  t.is(formatModprobe(appendModprobeLines(parseModprobe(''), ['options a b=1'])), 'options a b=1\n')
})

test('a backslash at the end of the file becomes the byte of EOF', (t) => {
  t.deepEqual(showConfig(parseModprobe('options a b\\').lines), ['options a b\xff'])
})

test('a continued line is commented out whole', (t) => {
  const document = parseModprobe('options vfio-pci ids=1:2\\\n,3:4\nblacklist a\n')
  const commented = commentOutModprobeLines(document, isVfio, 'passway')
  t.deepEqual(showConfig(commented.lines), ['blacklist a'])
})

function findModprobe(): string | undefined {
  return ['modprobe', '/sbin/modprobe', '/usr/sbin/modprobe'].find(
    (path) => spawnSync(path, ['--version']).status === 0,
  )
}

const modprobe = findModprobe()
const compare = modprobe === undefined ? test.skip : test
const lacking = modprobe === undefined ? ' (skipped: modprobe of kmod is not installed)' : ''

compare(`lines are those of modprobe --showconfig${lacking}`, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'passway-modprobe-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const keyword = fc.constantFrom(
    'options',
    'options',
    'blacklist',
    'softdep',
    'alias',
    'install',
    'remove',
    '# c',
    '\t x',
  )
  const blank = fc.constantFrom(' ', '  ', '\t', '\\\n', '')
  const word = fc.constantFrom(
    'a-b',
    'x=1',
    'pre:',
    'post:',
    '[b-c]-d',
    '[',
    '\r',
    '"p q"',
    'vfio-pci',
    '\xe9',
    '\\',
    '\\z',
    '#',
  )
  const rest = fc.array(fc.tuple(blank, word), { maxLength: 4 }).map((parts) => parts.flat().join(''))
  const line = fc.tuple(keyword, fc.constantFrom(' ', ' ', '\t', ''), rest).map((parts) => parts.join(''))
  const contents = fc.tuple(fc.array(line, { maxLength: 5 }), fc.constantFrom('\n', '', '\\', '\\\n', '\0x\n'))
  const known = new Set(showOf(modprobe ?? '', directory))
  fc.assert(
    fc.property(contents, ([lines, end]) => {
      const content = lines.join('\n') + end
      writeFileSync(join(directory, 't.conf'), content, 'latin1')
      const shown = showOf(modprobe ?? '', directory).filter((line) => !known.has(line))
      const own = showConfig(parseModprobe(content).lines.filter((line) => line.kind !== 'weakdep'))
      t.deepEqual([...shown].sort(), [...own].filter((line) => !known.has(line)).sort())
    }),
    { numRuns: 300 },
  )
})

function showOf(path: string, directory: string): readonly string[] {
  const { stdout } = spawnSync(path, ['-C', directory, '--showconfig'], { encoding: 'latin1' })
  const config = stdout.split('# End of configuration files')[0] ?? ''
  return config.split('\n').filter((line) => line !== '')
}
