import test from 'ava'
import * as fc from 'fast-check'
import { grubSpellings, parseGrubLinuxArguments, quoteForGrub } from '../../src/formats/grub-quoting.ts'
import { parseKernelArgument, parseKernelCommandLine } from '../../src/formats/kernel-command-line.ts'
import { parseGrubenv } from '../../src/formats/grubenv.ts'
import { anyBytes } from './arbitraries.ts'
import { readCases, titleOf } from './cases.ts'

type LineCase = { input: string; kernel: string }
for (const [index, { input, kernel }] of (readCases('grub-linux-line') as LineCase[]).entries()) {
  test(titleOf('linux line', index, input), (t) => t.is(parseGrubLinuxArguments(input).args.join(' '), kernel))
}

// grub-core/script/yylex.l and grub-core/lib/cmdline.c.
const lines: readonly (readonly [string, string])[] = [
  ['a\\ b', '"a b"'],
  ["a'b'c", 'abc'],
  ['"a\\"b"', 'a\\"b'],
  ['"a\\$b\\c"', 'a$b\\\\c'],
  ["'a\\b'", 'a\\\\b'],
  ['a\\\nb', 'ab'],
  ["'\\x41'", '\\x41'],
  ['"it\'s"', "it\\'s"],
  ['a\tb', 'a b'],
  ['if then', 'if then'],
  ['a#b', 'a#b'],
]
for (const [input, kernel] of lines) {
  test(`GRUB turns ${JSON.stringify(input)} into ${kernel}`, (t) => {
    const parsed = parseGrubLinuxArguments(input)
    t.is(parsed.args.join(' '), kernel)
    t.is(parsed.problem, null)
  })
}

const ended = ['a;b', 'a&b', 'a|b', 'a<b', 'a>b', 'a{b', 'a}b', 'a\nb', 'a #b', "a 'b", 'a $', 'a\\']
for (const input of ended) {
  test(`GRUB does not read all of ${JSON.stringify(input)}`, (t) => {
    t.not(parseGrubLinuxArguments(input).problem, null)
  })
}

test('variables of GRUB are reported and keep their place', (t) => {
  const parsed = parseGrubLinuxArguments('a $tuned_params "x${y}" $0')
  t.deepEqual(parsed.args, ['a'])
  t.deepEqual(
    parsed.unknown.map((word) => word.text),
    ['$tuned_params', '"x${y}"', '$0'],
  )
  t.is(parsed.problem, null)
})

const quoted: readonly (readonly [string, string | undefined])[] = [
  ['quiet', 'quiet'],
  ['vfio-pci.ids=10de:1b80,10de:10f0', 'vfio-pci.ids=10de:1b80,10de:10f0'],
  ['memmap=64M$0x1', "'memmap=64M$0x1'"],
  ['pci=a;b', "'pci=a;b'"],
  ['dyndbg="file x +p"', 'dyndbg="file x +p"'],
  ['#x', "'#x'"],
  ['a=b\\c', undefined],
  ["a=it's", undefined],
  ['a=b"c', undefined],
  ['a=b\tc', undefined],
  ['a b', undefined],
  ['', undefined],
]
for (const [argument, text] of quoted) {
  test(`for GRUB: ${JSON.stringify(argument)}`, (t) => t.is(quoteForGrub(argument), text))
}

test('every spelling reaches the kernel as the argument it stands for', (t) => {
  const argument = fc.oneof(anyBytes(), fc.string({ unit: fc.constantFrom(...'abx=41;$&|<>{}# "-,@!~*'.split('')) }))
  let spelt = 0
  fc.assert(
    fc.property(argument, (text) => {
      for (const spelling of grubSpellings(text)) {
        spelt++
        const line = parseGrubLinuxArguments(`before ${spelling} after`)
        t.is(line.problem, null)
        t.deepEqual(line.unknown, [])
        const [before, middle, after, ...rest] = parseKernelCommandLine(line.args.join(' '))
        const wanted = parseKernelArgument(text)
        t.deepEqual(
          [before?.name, middle?.name, middle?.value, after?.name],
          ['before', wanted?.name, wanted?.value, 'after'],
        )
        t.is(rest.length, 0)
      }
    }),
    { numRuns: 2000 },
  )
  t.true(spelt > 300)
})

test('what GRUB and the kernel can carry has a spelling', (t) => {
  const value = fc.string({ unit: fc.constantFrom(...'abx=41;$&|<>{}#-,@!~* '.split('')) })
  fc.assert(
    fc.property(value, (text) => {
      const argument = `name="${text}"`
      t.not(quoteForGrub(argument), undefined)
    }),
  )
})

type EnvCase = { input: string; list: string }
for (const [index, { input, list }] of (readCases('grubenv') as EnvCase[]).entries()) {
  test(titleOf('grub-editenv list', index, list), (t) => {
    const lines = [...(parseGrubenv(input) ?? [])].map(([name, value]) => `${name}=${value}\n`)
    t.is(lines.join(''), list)
  })
}

test('an environment block needs its header; backslashes are taken off', (t) => {
  t.is(parseGrubenv('a=1\n'), undefined)
  t.deepEqual(
    parseGrubenv('# GRUB Environment Block\na=x\\\\y\\\nz\n# c\nb=\n###'),
    new Map([
      ['a', 'x\\y\nz'],
      ['b', ''],
    ]),
  )
})
