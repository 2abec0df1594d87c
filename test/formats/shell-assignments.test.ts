import test from 'ava'
import {
  evaluateShellFiles,
  findVariable,
  findWholeProblem,
  parseShellAssignments,
} from '../../src/formats/shell-assignments.ts'
import { parseGrubLinuxArguments } from '../../src/formats/grub-quoting.ts'
import { readCases, titleOf } from './cases.ts'

const main = '/etc/default/grub'

function evaluate(...contents: readonly string[]) {
  return evaluateShellFiles(
    contents.map((content, index) => ({ path: index === 0 ? main : `${main}.d/${index}.cfg`, content })),
  )
}

function valueOf(name: string, ...contents: readonly string[]): string | null {
  const found = findVariable(evaluate(...contents), name)
  return found.state === 'known' ? found.value : found.state === 'unset' ? null : `unknown: ${found.why}`
}

type ValueCase = { input: string; values: Record<string, string | null>; aborts?: string }
for (const [index, { input, values, aborts }] of (readCases('shell-values') as ValueCase[]).entries()) {
  test(titleOf('dash', index, input), (t) => {
    for (const [name, value] of Object.entries(values)) t.is(valueOf(name, input), value)
    // What dash answers with "not found" ends grub-mkconfig, which runs under `set -e`.
    t.is(findWholeProblem(evaluate(input))?.kind, aborts === undefined ? undefined : 'abort')
  })
}

type RealCase = { name: string; input: string; values: Record<string, string>; args?: string[] }
for (const [index, { name, input, values, args }] of (readCases('real-grub') as RealCase[]).entries()) {
  test(`real host ${index + 1}: ${name}`, (t) => {
    for (const [variable, value] of Object.entries(values)) t.is(valueOf(variable, input), value)
    t.is(findWholeProblem(evaluate(input)), undefined)
    if (args === undefined) return
    const line = ['GRUB_CMDLINE_LINUX', 'GRUB_CMDLINE_LINUX_DEFAULT'].map((variable) => valueOf(variable, input) ?? '')
    t.deepEqual(parseGrubLinuxArguments(line.join(' ')).args, args)
  })
}

const known: readonly (readonly [string, string, string | null])[] = [
  ['a=b', 'A=x B=y', null],
  ['two assignments on a line', 'X=x GRUB=y', 'y'],
  ['a semicolon', 'X=1;GRUB=2', '2'],
  ['a group', '{ GRUB=x; }', 'x'],
  ['a continued name', 'GR\\\nUB=x', 'x'],
  ['a continued reference', 'A=x; GRUB="$\\\nA"', 'x'],
  ['a lone dollar', 'GRUB="a$ $. $"', 'a$ $. $'],
  ['a dollar before quotes is itself in dash', 'GRUB=$"x"', '$x'],
  ['default of an empty variable', 'A=; GRUB=${A:-x}${A-y}', 'x'],
  ['alternative of a set variable', 'A=1; GRUB=${A:+x}${B+y}', 'x'],
  ['quotes inside a default', 'GRUB=${B:-"a b"\'c d\'}', 'a bc d'],
  ['a brace after a backslash in a default', 'GRUB="${B:-a\\}b}"', 'a}b'],
  ['a backslash at the end of the file', 'GRUB=foo\\', 'foo\\'],
  ['export does not split', 'A="x *"; export GRUB=$A', 'x *'],
  ['a tilde inside a word', 'GRUB=a~b=~c', 'a~b=~c'],
  ['unset', 'GRUB=x; unset GRUB', null],
  ['a program sets nothing', 'GRUB=x\nGRUB=y cat', 'x'],
  ['a subshell sets nothing', 'GRUB=x; (GRUB=y)', 'x'],
  ['a pipe sets nothing', 'GRUB=x; echo | GRUB=y', 'x'],
  ['a substitution sets nothing', 'GRUB=x; A=$(GRUB=y; echo ")")', 'x'],
  ['a here-document', 'GRUB=x\ncat <<E\nGRUB=y\nE\n', 'x'],
  ['a function that is not called', 'f() { GRUB=y; }; GRUB=x', 'x'],
  ['assigned after all conditions', 'if true; then GRUB=y; fi; GRUB=x', 'x'],
  ['a condition about others', 'if [ -e /x ]; then OTHER=y; fi; GRUB=x', 'x'],
  ['case', 'GRUB=x; case $A in (a|b) B=1;; *) C=2; esac', 'x'],
]
for (const [title, input, value] of known) {
  test(`known: ${title}`, (t) => t.is(valueOf('GRUB', input), value))
}

const unknown: readonly (readonly [string, string, number])[] = [
  ['command substitution', '\nGRUB="a $(date)"', 2],
  ['backquotes', 'GRUB=`date`', 1],
  ['set inside if', 'GRUB=x\nif [ -e /x ]; then\nGRUB=y\nfi', 3],
  ['set behind &&', 'GRUB=x\n[ -e /x ] && GRUB=y', 2],
  ['set in a loop', 'GRUB=x\nwhile read A; do GRUB=$A; done', 2],
  ['the variable of a loop', 'for GRUB in a b; do :; done', 1],
  ['set in a case', 'case $X in\na) GRUB=x;;\nesac', 2],
  ['a function that is called', 'f() {\nGRUB=y; }; GRUB=x\nf', 2],
  ['eval', 'GRUB=x\neval "$A"', 2],
  ['a sourced file', 'GRUB=x\n. /etc/other', 2],
  ['a return', 'GRUB=x\n[ -e /x ] || return\nGRUB=y', 2],
  ['read', 'GRUB=x\nread -r GRUB', 2],
  ['unset inside if', 'GRUB=x\nif true; then unset GRUB; fi', 2],
  ['an unknown variable inside', 'A=$(date)\nGRUB="$A x"', 1],
  ['a home directory', 'GRUB=~/x', 1],
  ['a home directory behind a colon', 'GRUB=a:~', 1],
  ['positional parameters', 'GRUB="$1"', 1],
  ['arithmetic', 'GRUB=$((1 + 1))', 1],
  ['arithmetic that assigns', 'GRUB=1\nA=$((GRUB = 2))', 2],
  ['assigned by an expansion', 'GRUB=\n: ${GRUB:=x}', 2],
  ['a pattern removed', 'A=x; GRUB=${A%x}', 1],
  ['a variable of grub-mkconfig', 'GRUB="root=$GRUB_DEVICE"', 1],
  ['a command known only at run time', 'GRUB=x\n$A', 2],
]
for (const [title, input, line] of unknown) {
  test(`unknown: ${title}`, (t) => {
    const found = findVariable(evaluate(input), 'GRUB')
    t.like(found, { state: 'unknown', path: main, line })
  })
}

const refused: readonly (readonly [string, string, 'syntax' | 'abort', number])[] = [
  ['double quote', 'A=1\nB="x', 'syntax', 2],
  ['single quote', "A='x\nB=y", 'syntax', 1],
  ['backquote', 'A=`x', 'syntax', 1],
  ['substitution', 'A=$(x', 'syntax', 1],
  ['if without fi', 'if true; then A=1\n', 'syntax', 2],
  ['array', '\nA=(a b)', 'syntax', 2],
  ['stray parenthesis', 'A=b)', 'syntax', 1],
  ['bad substitution', 'A="${B/x/y}"', 'syntax', 1],
  ['ampersand twice', 'a && && b', 'syntax', 1],
  ['NUL', 'A=\0', 'syntax', 1],
  ['+=', 'A=1\nA+=" x"', 'abort', 2],
  ['blank after =', 'A= "x"', 'abort', 1],
  ['blank before =', 'A ="x"', 'abort', 1],
  ['declare', 'declare -x A=1', 'abort', 1],
  ['read only', 'readonly A=1\nA=2', 'abort', 2],
  ['exit', 'exit 0', 'abort', 1],
]
for (const [title, input, kind, line] of refused) {
  test(`refused by dash or grub-mkconfig: ${title}`, (t) => {
    t.like(findWholeProblem(evaluate(input)), { kind, path: main, line })
    if (kind === 'syntax') t.is(findVariable(evaluate(input), 'ANY').state, 'unknown')
  })
}

test('later files go on from earlier ones, and each assignment that counts is named', (t) => {
  const files = evaluate('GRUB="quiet"\n', '\nGRUB="$GRUB extra"\n')
  t.deepEqual(findVariable(files, 'GRUB'), {
    state: 'known',
    value: 'quiet extra',
    assignedAt: [
      { path: main, line: 1 },
      { path: `${main}.d/1.cfg`, line: 2 },
    ],
  })
  t.is(files.values.get('GRUB'), 'quiet extra')
})

test('a later file that may change the variable is named', (t) => {
  const files = evaluate('GRUB="quiet"\n', 'if [ -e /x ]; then GRUB=y; fi\n')
  t.like(findVariable(files, 'GRUB'), { state: 'unknown', path: `${main}.d/1.cfg`, line: 1 })
})

test('what cannot touch a variable does it no harm', (t) => {
  const input = 'GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\nGRUB="quiet"\n'
  t.is(valueOf('GRUB', input), 'quiet')
  t.is(findWholeProblem(evaluate(input)), undefined)
})

test('a document names the line that the shell refuses', (t) => {
  t.like(parseShellAssignments('A=1\nB="'), { content: 'A=1\nB="', problem: { line: 2 } })
})
