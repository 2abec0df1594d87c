import test from 'ava'
import * as fc from 'fast-check'
import { editTokens, editVariable, evaluateShellFiles, findVariable } from '../../src/formats/shell-assignments.ts'
import type { ShellFile, TokenEdit } from '../../src/formats/shell-assignments.ts'
import { isSameName, parseKernelCommandLine } from '../../src/formats/kernel-command-line.ts'
import { readCases, titleOf } from './cases.ts'

const path = '/etc/default/grub'
const name = 'GRUB_CMDLINE_LINUX_DEFAULT'

/** What a module asks for: the argument in place of others of its name. */
function ensure(token: string): TokenEdit {
  return { replace: (other) => (isSameName(nameOf(other), nameOf(token)) ? token : undefined), append: [token] }
}

function nameOf(token: string): string {
  return parseKernelCommandLine(token)[0]?.name ?? ''
}

/** All files after the edit; fails the test where it was refused. */
function edited(files: readonly ShellFile[], variable: string, edit: TokenEdit): readonly ShellFile[] {
  const result = editTokens(files, variable, edit)
  if (!result.ok) throw new Error(`refused: ${result.problem.why}`)
  return files.map((file) => result.files.find((other) => other.path === file.path) ?? file)
}

function edit(content: string, tokens: TokenEdit, variable = name): string {
  return edited([{ path, content }], variable, tokens)[0]?.content ?? ''
}

function valueOf(files: readonly ShellFile[], variable = name): string | undefined {
  const found = findVariable(evaluateShellFiles(files), variable)
  return found.state === 'known' ? found.value : undefined
}

type EditCase = {
  input: string
  variable: string
  ensure?: string
  remove?: string
  set?: string
  values?: Record<string, string>
  accept?: string[]
  unchangedLines?: number[]
  exact?: string
  refused?: boolean
}
for (const [index, one] of (readCases('shell-edits') as EditCase[]).entries()) {
  test(titleOf('edit', index, one.input), (t) => {
    const files = [{ path, content: one.input }]
    const result = editOf(files, one)
    if (one.refused || !result.ok) {
      t.is(result.ok, one.refused !== true)
      return
    }
    const after = result.files[0] ?? { path, content: one.input }
    for (const [variable, value] of Object.entries(one.values ?? {})) t.is(valueOf([after], variable), value)
    if (one.accept !== undefined) t.true(one.accept.includes(valueOf([after], one.variable) ?? ''))
    if (one.exact !== undefined) t.is(after.content, one.exact)
    const lines = one.input.split('\n')
    for (const line of one.unchangedLines ?? []) t.true(after.content.split('\n').includes(lines[line] ?? ''))
    const again = editOf([after], one)
    t.deepEqual(again, { ok: true, files: [] })
  })
}

function editOf(files: readonly ShellFile[], one: EditCase) {
  if (one.set !== undefined) return editVariable(files, one.variable, () => one.set ?? '')
  if (one.remove !== undefined) return editTokens(files, one.variable, { remove: (_token, raw) => raw === one.remove })
  return editTokens(files, one.variable, ensure(one.ensure ?? ''))
}

const removeQuiet: TokenEdit = { remove: (token) => token === 'quiet' }
const exact: readonly (readonly [string, string, TokenEdit, string])[] = [
  ['into single quotes', `${name}='quiet'\n`, ensure('a'), `${name}='quiet a'\n`],
  ['an empty value', `${name}=\n`, ensure('a'), `${name}="a"\n`],
  ['into the last of several quotes', `${name}="a"'b c'\n`, ensure('d'), `${name}="a"'b c d'\n`],
  ['behind an escape', `${name}=a\\ b\n`, ensure('c'), `${name}=a\\ b" c"\n`],
  ['around a reference', `A=x\n${name}=$A\n`, ensure('c'), `A=x\n${name}="$A c"\n`],
  ['CRLF: the CR stays behind', `${name}="quiet"\r\n`, ensure('a'), `${name}="quiet a"\r\n`],
  ['CRLF, no quotes', `${name}=quiet\r\n`, ensure('a'), `${name}="quiet a"\r\n`],
  ['behind a blank at the end', `${name}="quiet "\n`, ensure('a'), `${name}="quiet a"\n`],
  ['no final newline', `${name}="quiet"`, ensure('a'), `${name}="quiet a"`],
  ['an empty file', '', ensure('a'), `${name}="a"\n`],
  ['another statement on the line', `A=1; ${name}=quiet; B=2 # c\n`, ensure('a'), `A=1; ${name}="quiet a"; B=2 # c\n`],
  ['only the first removed', `${name}="quiet a  b"\n`, removeQuiet, `${name}="a  b"\n`],
  ['only the last removed', `${name}="a  b quiet"\n`, removeQuiet, `${name}="a  b"\n`],
  ['one from the middle', `${name}="a quiet  b"\n`, removeQuiet, `${name}="a  b"\n`],
  ['all of them', `${name}="quiet quiet"\n`, removeQuiet, `${name}=""\n`],
  ['a token over several quotes', `${name}="a qu"'ie't" b"\n`, removeQuiet, `${name}="a"''" b"\n`],
  [
    'where it stands, in a line before',
    `${name}="quiet a"\n${name}="$${name} b"\n`,
    removeQuiet,
    `${name}="a"\n${name}="$${name} b"\n`,
  ],
  ['over a continued line', `${name}="a \\\n quiet"\n`, removeQuiet, `${name}="a \\\n"\n`],
  ['a value with a semicolon', `${name}="quiet"\n`, ensure('pci=x;y'), `${name}="quiet 'pci=x;y'"\n`],
  ['a semicolon in single quotes', `${name}='quiet'\n`, ensure('pci=x;y'), `${name}='quiet "pci=x;y"'\n`],
  ['a dollar', `${name}="quiet"\n`, ensure('memmap=64M$0x1'), `${name}="quiet 'memmap=64M\\$0x1'"\n`],
  ['blanks in a value', `${name}="quiet"\n`, ensure('dyndbg="file x +p"'), `${name}="quiet 'dyndbg=file x +p'"\n`],
  ['a value replaced in place', `${name}="a=1 b"\n`, ensure('a=2'), `${name}="a=2 b"\n`],
  [
    'a value with a dash for an underscore',
    `${name}="pcie-acs-override=a b"\n`,
    ensure('pcie_acs_override=b'),
    `${name}="pcie_acs_override=b b"\n`,
  ],
]
for (const [title, before, tokens, after] of exact) {
  test(`writes ${title}`, (t) => {
    t.is(edit(before, tokens), after)
    t.is(edit(after, tokens), after)
  })
}

test('sequences keep their order and what is there already is not added again', (t) => {
  const args = ['hugepagesz=1G', 'hugepages=4', 'hugepagesz=2M', 'hugepages=4']
  const tokens: TokenEdit = { remove: (token) => token.startsWith('hugepage'), append: args }
  const after = edit(`${name}="hugepages=9 quiet"\n`, tokens)
  t.is(after, `${name}="quiet ${args.join(' ')}"\n`)
  t.is(edit(after, tokens), after)
  t.is(edit(after, { append: args }), after)
})

test('edits go to the file whose assignment counts', (t) => {
  const files = [
    { path, content: `${name}="quiet"\n` },
    { path: `${path}.d/50-cloud.cfg`, content: `${name}="console=ttyS0"\n` },
  ]
  const result = editTokens(files, name, ensure('a'))
  t.deepEqual(result, { ok: true, files: [{ path: `${path}.d/50-cloud.cfg`, content: `${name}="console=ttyS0 a"\n` }] })
})

test('a variable that is unset everywhere goes to the first file', (t) => {
  const files = [
    { path, content: 'A=1\n' },
    { path: `${path}.d/x.cfg`, content: 'B=1\n' },
  ]
  t.deepEqual(editTokens(files, name, ensure('a')), { ok: true, files: [{ path, content: `A=1\n${name}="a"\n` }] })
})

const refused: readonly (readonly [string, string, TokenEdit, RegExp])[] = [
  ['a value known only at run time', `${name}="$(date)"\n`, ensure('a'), /command substitution/],
  ['a file dash refuses', `${name}="quiet\n`, ensure('a'), /double quote/],
  ['a line grub-mkconfig stops at', `${name}="quiet"\n${name}+=" x"\n`, ensure('a'), /command/],
  ['text of another variable', `A="quiet"\n${name}="$A x"\n`, removeQuiet, /another variable/],
  ['text that another variable uses', `${name}="quiet"\nA=$${name}\n${name}="$${name} x"\n`, removeQuiet, /change A/],
  [
    'text that stands there twice',
    `${name}="quiet"\n${name}="$${name} $${name}"\n`,
    {
      remove: (() => {
        let n = 0
        return (token) => token === 'quiet' && n++ === 0
      })(),
    },
    /in place/,
  ],
  ['a value GRUB ends early', `${name}="quiet ; x"\n`, ensure('a'), /ends the command/],
  ['an argument GRUB cannot hand over', `${name}="quiet"\n`, ensure('a=b\\c'), /cannot hand/],
]
for (const [title, content, tokens, why] of refused) {
  test(`refuses ${title}`, (t) => {
    const result = editTokens([{ path, content }], name, tokens)
    t.false(result.ok)
    if (!result.ok) t.regex(result.problem.why, why)
  })
}

test('editVariable changes only what differs', (t) => {
  const files = [{ path, content: 'GRUB_TIMEOUT=\'5\' # wait\nA="x $B y"\n' }]
  const result = editVariable(files, 'GRUB_TIMEOUT', () => '10')
  t.deepEqual(result, { ok: true, files: [{ path, content: 'GRUB_TIMEOUT=\'10\' # wait\nA="x $B y"\n' }] })
  t.deepEqual(
    editVariable(files, 'NEW', () => 'a "b"'),
    {
      ok: true,
      files: [{ path, content: `${files[0]?.content}NEW="a \\"b\\""\n` }],
    },
  )
})

test('any edit of any value comes out as wanted, or is refused', (t) => {
  const word = fc.constantFrom(
    'quiet',
    'a=1',
    'b-c=x,y',
    'pci=a;b',
    'q="x y"',
    'm=1$0x2',
    "'s t'",
    '$(date)',
    '\\',
    '"',
    '\r',
  )
  const source = fc.array(
    fc.constantFrom('"', "'", ' ', '\\\n', '\\ ', 'quiet', 'a=1', '$A', `$${name}`, 'x', ';', '#'),
    { maxLength: 8 },
  )
  const content = fc
    .array(source, { maxLength: 3 })
    .map((values) => `A="z 1"\n${values.map((parts) => `${name}=${parts.join('')}\n`).join('')}`)
  let accepted = 0
  fc.assert(
    fc.property(content, fc.array(word, { maxLength: 3 }), word, (text, append, removed) => {
      const tokens: TokenEdit = { remove: (token) => token === removed, append }
      const result = editTokens([{ path, content: text }], name, tokens)
      if (!result.ok || append.includes(removed)) return
      accepted++
      const after = result.files[0] ?? { path, content: text }
      t.deepEqual(editTokens([after], name, tokens), { ok: true, files: [] })
      t.is(valueOf([after], 'A'), valueOf([{ path, content: text }], 'A'))
    }),
    { numRuns: 2000 },
  )
  t.true(accepted > 200)
})

test('editVariable gives the value asked for, twice the same, or refuses', (t) => {
  const source = fc.array(fc.constantFrom('"', "'", ' ', '\\ ', 'ab', '$A', '\\\n', '\r', `$${name}`), { maxLength: 6 })
  const content = fc
    .array(source, { maxLength: 3 })
    .map((values) => `A="z"\n${values.map((parts) => `${name}=${parts.join('')}\n`).join('')}`)
  const value = fc.string({ unit: fc.constantFrom('a', 'b', 'z', ' ', '"', "'", '$', '\\', '`', '#', '~') })
  let accepted = 0
  fc.assert(
    fc.property(content, value, (text, wanted) => {
      const files = [{ path, content: text }]
      const result = editVariable(files, name, () => wanted)
      if (!result.ok) return
      accepted++
      const after = [result.files[0] ?? { path, content: text }]
      t.is(valueOf(after) ?? '', wanted)
      t.deepEqual(
        editVariable(after, name, () => wanted),
        { ok: true, files: [] },
      )
    }),
    { numRuns: 1000 },
  )
  t.true(accepted > 100)
})
