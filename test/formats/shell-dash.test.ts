import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { editTokens, evaluateShellFiles, findVariable, findWholeProblem } from '../../src/formats/shell-assignments.ts'
import type { ShellFile } from '../../src/formats/shell-assignments.ts'

const hasDash = spawnSync('dash', ['-c', ':']).status === 0
const withDash = hasDash ? test : test.skip
const directory = mkdtempSync(join(tmpdir(), 'passway-shell-'))
test.after.always(() => rmSync(directory, { recursive: true }))

const names = ['A', 'B', 'GRUB_CMDLINE_LINUX'] as const

/** Values dash has after sourcing the contents in order under `set -e`; null where it stops or refuses. */
function askDash(contents: readonly string[]): ReadonlyMap<string, string | null> | null {
  const paths = contents.map((content, index) => {
    const path = join(directory, `${index}`)
    writeFileSync(path, content, 'latin1')
    return path
  })
  const show = names.map((name) => `printf '%s\\1' "\${${name}-unset}\${${name}+!}"`).join(';')
  const script = `set -e; ${paths.map((path) => `. ${path}`).join('; ')}; printf '\\2'; ${show}`
  const options = { encoding: 'latin1', env: { PATH: '/nonexistent' }, cwd: directory, input: '' } as const
  const { stdout, status } = spawnSync('/bin/dash', ['-c', script], options)
  const answer = stdout.split('\x02')[1]
  if (status !== 0 || answer === undefined) return null
  const values = answer.split('\x01')
  return new Map(names.map((name, index) => [name, values[index]?.endsWith('!') ? values[index].slice(0, -1) : null]))
}

function toFiles(contents: readonly string[]): readonly ShellFile[] {
  return contents.map((content, index) => ({ path: `${index}`, content }))
}

const plain = fc.string({ unit: fc.constantFrom(...'ab=,.:/-_~@%+!?*[]{}#\r\xa0\x81\x88\xff'.split('')), maxLength: 4 })
const quotable = fc.string({ unit: fc.constantFrom(...' ab;&|<>()#\t~*\n\r\xa0\x81'.split('')), maxLength: 4 })
const reference = fc.constantFrom('$A', '${A}', '$B', '${B:-x y}', '${A-}', '${B:+z}', '${A:-$B}', '$', '${A:-"q r"}')
const escape = fc.constantFrom('\\ ', '\\$', '\\"', '\\\\', '\\a', '\\\n', "\\'", '\\`', '\\;', '\\#')
const piece = fc.oneof(
  plain,
  reference,
  escape,
  quotable.map((text) => `'${text}'`),
  fc
    .array(
      fc.oneof(
        plain,
        quotable,
        fc.constantFrom('$A', '${B}', '\\$', '\\"', '\\\\', '\\a', '\\\n', '$', "'", '${A:-x}'),
      ),
      { maxLength: 4 },
    )
    .map((parts) => `"${parts.join('')}"`),
)
const word = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join(''))
const assignment = fc.tuple(fc.constantFrom('', '', '', 'export ', ' \t'), fc.constantFrom(...names), word)
const statement = fc.oneof(
  { weight: 8, arbitrary: assignment.map(([before, name, value]) => `${before}${name}=${value}`) },
  fc.constantFrom(
    '# a comment \\',
    '',
    'unset B',
    '{ A=1; }',
    '(A=2)',
    'if false; then :; fi',
    'export B',
    'export y}',
    'export "A=q r"',
    'unset 9',
    'readonly -p',
    ':',
    'f() { :; }',
  ),
)
const separator = fc.constantFrom('\n', '\n', '\n', '; ', ' # c\n', ' \n\n')
const content = fc
  .array(fc.tuple(statement, separator), { maxLength: 6 })
  .map((lines) => lines.map((line) => line.join('')).join(''))

withDash('values are those of dash, and what it refuses is refused', (t) => {
  let compared = 0
  fc.assert(
    fc.property(fc.array(content, { minLength: 1, maxLength: 2 }), (contents) => {
      const evaluated = evaluateShellFiles(toFiles(contents))
      const values = askDash(contents)
      const whole = findWholeProblem(evaluated)
      if (values === null) t.not(whole, undefined)
      if (values === null || whole !== undefined) return
      for (const name of names) {
        const found = findVariable(evaluated, name)
        if (found.state === 'unknown') continue
        compared++
        t.is(found.state === 'known' ? found.value : null, values.get(name) ?? null)
      }
    }),
    { numRuns: 400 },
  )
  t.true(compared > 300)
})

withDash('dash agrees with what an edit says it did', (t) => {
  const token = fc.constantFrom('quiet', 'a=1', 'pci=a;b', 'm=1$0x2', 'q="x y"', "it's", 'c=*')
  fc.assert(
    fc.property(
      fc.array(content, { minLength: 1, maxLength: 2 }),
      fc.array(token, { maxLength: 3 }),
      (contents, append) => {
        const files = toFiles(contents)
        const result = editTokens(files, 'GRUB_CMDLINE_LINUX', { append })
        if (!result.ok) return
        const after = files.map((file) => result.files.find((other) => other.path === file.path) ?? file)
        const values = askDash(after.map((file) => file.content))
        const found = findVariable(evaluateShellFiles(after), 'GRUB_CMDLINE_LINUX')
        t.not(values, null)
        t.is(found.state === 'known' ? found.value : null, values?.get('GRUB_CMDLINE_LINUX') ?? null)
      },
    ),
    { numRuns: 300 },
  )
  t.pass()
})

withDash('any bytes: a value that is called known is the value of dash', (t) => {
  const soup = fc.string({
    unit: fc.constantFrom(
      ...'AB="\'`$\\{}();&|<>#~:-+? \n\r\xff'.split(''),
      'A=',
      'GRUB_CMDLINE_LINUX=',
      '${A',
      'if ',
      'then ',
      'fi',
      '\\\n',
      '$(',
    ),
    maxLength: 24,
  })
  fc.assert(
    fc.property(soup, (text) => {
      // No file is written and no program is found by name with this PATH; a redirection could still create one here.
      if (/[<>]/.test(text)) return
      const evaluated = evaluateShellFiles(toFiles([text]))
      if (findWholeProblem(evaluated) !== undefined) return
      const values = askDash([text])
      for (const name of names) {
        const found = findVariable(evaluated, name)
        if (found.state === 'known' && values !== null) t.is(found.value, values.get(name) ?? '(unset)')
      }
    }),
    { numRuns: 600 },
  )
  t.pass()
})

if (!hasDash) test.skip('dash is not installed: shell values were not compared with it', () => {})
else test('dash runs', (t) => t.notThrows(() => execFileSync('dash', ['-c', ':'])))

withDash('a command that is known only at run time ends the reading', (t) => {
  for (const content of ['A=$${B:-x y}$A\n', 'export A=$${B:-x y}$A\n']) {
    t.is(askDash([content]), null)
    t.is(findWholeProblem(evaluateShellFiles(toFiles([content])))?.kind, 'abort')
  }
})
