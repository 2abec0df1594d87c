import { spawnSync } from 'node:child_process'
import test from 'ava'
import * as fc from 'fast-check'
import {
  findEnvironmentVariable,
  parseEnvironmentFile,
  setEnvironmentVariable,
  unsetEnvironmentVariable,
} from '../../src/formats/environment-file.ts'

// systemd src/test/test-env-file.c and src/basic/env-file.c.
const values: readonly (readonly [string, string | undefined])[] = [
  ['A=b', 'b'],
  ['A=', ''],
  ['A=""\n', ''],
  [' A = b c \n', 'b c'],
  ["A='b c' # d\n", 'b c# d'],
  ['A="b" "c"\n', 'bc'],
  ["A='a\\b'", 'a\\b'],
  ['A="a\\b\\$\\"\\`\\\\"', 'a\\b$"`\\'],
  ['A=a\\b\\\nc\n', 'abc'],
  ['A="a\\\nb"\n', 'ab'],
  ['A="a\nb"\n', 'a\nb'],
  ['# c \\\nA=1\nA=2', '2'],
  ['; A=1\n', undefined],
  ['export A=1\n', undefined],
  ['A\nA=1\r\n', '1'],
  ['A=1\nA=2\n', '2'],
  ['A=b\'c\'"d"', 'b\'c\'"d"'],
]
for (const [input, value] of values) {
  test(`systemd reads ${JSON.stringify(input)}`, (t) => {
    t.is(findEnvironmentVariable(parseEnvironmentFile(input), 'A'), value)
  })
}

const debian =
  '# irqbalance is a daemon process\n#IRQBALANCE_ONESHOT=\n\n#IRQBALANCE_BANNED_CPULIST=\nIRQBALANCE_ARGS="-x" # note\n'

const edits: readonly (readonly [string, string, string, string, string])[] = [
  ['a new one', debian, 'A', '2-3,8', `${debian}A=2-3,8\n`],
  ['an empty value, which is not the same as none', debian, 'A', '', `${debian}A=""\n`],
  ['the last one', 'A=1\nA=2 \n', 'A', '3', 'A=1\nA=3 \n'],
  ['quoted', "A='1'\r\nB=2\r\n", 'A', 'x $y', 'A="x \\$y"\r\nB=2\r\n'],
  ['with CRLF', 'B=2\r\n', 'A', '1', 'B=2\r\nA=1\r\n'],
  ['without a final newline', 'B=2', 'A', '1', 'B=2\nA=1'],
  ['behind an open line', 'B=2\\', 'A', '1', 'B=2\\\n\nA=1'],
  ['before an open quote', '#c\nB="2', 'A', '1', 'A=1\n#c\nB="2'],
  ['that is so already', 'A="1"\n', 'A', '1', 'A="1"\n'],
]
for (const [title, before, name, value, after] of edits) {
  test(`sets ${title}`, (t) => {
    const set = setEnvironmentVariable(parseEnvironmentFile(before), name, value)
    t.is(set.content, after)
    t.is(findEnvironmentVariable(set, name), value)
  })
}

test('unset removes every assignment and nothing else', (t) => {
  const document = parseEnvironmentFile('#A=1\nA=1\nB="x\ny"\nA="2\n3"\nC=1')
  t.is(unsetEnvironmentVariable(document, 'A').content, '#A=1\nB="x\ny"\nC=1')
  t.is(unsetEnvironmentVariable(document, 'B').content, '#A=1\nA=1\nA="2\n3"\nC=1')
})

test('a shell that sources the file reads the value that was set', (t) => {
  const value = fc.string({ unit: fc.constantFrom(...'ab,-=$`"\\\'; #~*'.split('')) })
  fc.assert(
    fc.property(value, (text) => {
      const { content } = setEnvironmentVariable(parseEnvironmentFile('B=1\n'), 'A', text)
      t.is(findEnvironmentVariable(parseEnvironmentFile(content), 'A'), text)
      const { stdout } = spawnSync('/bin/sh', ['-c', `${content}printf '%s' "$A"`], { encoding: 'latin1' })
      t.is(stdout, text)
    }),
    { numRuns: 100 },
  )
})
