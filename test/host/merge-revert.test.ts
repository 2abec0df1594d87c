import test from 'ava'
import * as fc from 'fast-check'
import { mergeRevert } from '../../src/host/merge-revert.ts'

test('nobody changed anything: the bytes of before', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, written) => {
      t.is(mergeRevert({ before, written, now: written }), before)
    }),
  )
})

test('edits before and after what was written are kept', (t) => {
  const before = 'a\nb\nc\nd\ne\nf\ng\n'
  const written = 'a\nb\nc\nX\ne\nf\ng\n'
  t.is(mergeRevert({ before, written, now: '0\na\nb\nc\nX\ne\nf\nG\n' }), '0\na\nb\nc\nd\ne\nf\nG\n')
})

test('an edit of a written line, or of a line beside it, is refused', (t) => {
  const before = 'a\nb\nc\n'
  const written = 'a\nX\nc\n'
  t.is(mergeRevert({ before, written, now: 'a\nY\nc\n' }), undefined)
  t.is(mergeRevert({ before, written, now: 'A\nX\nc\n' }), undefined)
  t.is(mergeRevert({ before, written, now: 'a\nb\nc\n' }), undefined)
})

test('line ends and a missing final newline stay as they are', (t) => {
  t.is(
    mergeRevert({ before: 'a\r\nb\r\n', written: 'a\r\nX\r\n', now: '0\r\n0\r\na\r\nX\r\n' }),
    '0\r\n0\r\na\r\nb\r\n',
  )
  t.is(mergeRevert({ before: 'a\nb', written: 'a\nb\nX\n', now: '0\na\nb\nX\n' }), '0\na\nb')
})

test('of two equal blocks the one that stands where ours stood goes', (t) => {
  const written = 'x\nadded\ny\n'
  t.is(mergeRevert({ before: 'x\ny\n', written, now: `${written}${written}` }), `x\ny\n${written}`)
})
