import * as fc from 'fast-check'
import test from 'ava'
import { editCmdlineFile, parseCmdlineFile } from '../../src/formats/cmdline-file.ts'

type Case = readonly [
  title: string,
  before: string,
  replace: [number, string | null][],
  append: string[],
  after: string,
]

const cases: readonly Case[] = [
  ['nothing', 'root=a  ro\tquiet\n', [], [], 'root=a  ro\tquiet\n'],
  ['append', 'root=a ro\n', [], ['iommu=pt', 'b'], 'root=a ro iommu=pt b\n'],
  ['append without a line end', 'root=a ro', [], ['iommu=pt'], 'root=a ro iommu=pt'],
  ['append to an empty file', '', [], ['iommu=pt'], 'iommu=pt\n'],
  ['append to a blank file', ' \n\n', [], ['iommu=pt'], 'iommu=pt\n'],
  ['append to the last line', 'root=a\nro\n\n', [], ['iommu=pt'], 'root=a\nro iommu=pt\n\n'],
  ['append before what init gets', 'ro -- single\n', [], ['iommu=pt'], 'ro iommu=pt -- single\n'],
  ['append where init alone gets something', '-- single\n', [], ['iommu=pt'], 'iommu=pt -- single\n'],
  ['replace', 'a iommu=on  b\n', [[1, 'iommu=pt']], [], 'a iommu=pt  b\n'],
  ['remove the first', 'a  b c\n', [[0, null]], [], 'b c\n'],
  ['remove one between', 'a b  c\n', [[1, null]], [], 'a c\n'],
  ['remove the last', 'a b \n', [[1, null]], [], 'a \n'],
  [
    'remove the last two',
    'a b c\n',
    [
      [1, null],
      [2, null],
    ],
    [],
    'a\n',
  ],
  [
    'remove all',
    'a b\n',
    [
      [0, null],
      [1, null],
    ],
    [],
    '\n',
  ],
  ['remove the last before what init gets', 'a b -- c\n', [[1, null]], [], 'a -- c\n'],
  [
    'remove, replace and append',
    'a b=1 c d\n',
    [
      [0, null],
      [1, 'b=2'],
      [3, null],
    ],
    ['e'],
    'b=2 c e\n',
  ],
  ['quotes', 'a="b c" d\n', [[1, null]], ['e'], 'a="b c" e\n'],
]

for (const [title, before, replace, append, after] of cases) {
  test(title, (t) => t.is(editCmdlineFile(parseCmdlineFile(before), { replace: new Map(replace), append }), after))
}

test('what is read again is what was asked for', (t) => {
  const word = fc.constantFrom('a', 'b=1', 'c="d e"', 'console=ttyS0,115200', 'quiet')
  const blank = fc.constantFrom(' ', '  ', '\t', '\n')
  const content = fc.array(fc.tuple(word, blank)).map((parts) => parts.flat().join(''))
  const edits = fc.array(fc.tuple(fc.nat(6), fc.option(word)))
  fc.assert(
    fc.property(content, edits, fc.array(word), (before, replace, append) => {
      const file = parseCmdlineFile(before)
      const edit = new Map(replace)
      const kept = file.args.flatMap(({ text }, index) => {
        const other = edit.get(index)
        return other === undefined ? [text] : other === null ? [] : [other]
      })
      const after = parseCmdlineFile(editCmdlineFile(file, { replace: edit, append }))
      t.deepEqual(
        after.args.map(({ text }) => text),
        [...kept, ...append],
      )
    }),
  )
})
