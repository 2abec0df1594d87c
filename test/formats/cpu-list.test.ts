import test from 'ava'
import * as fc from 'fast-check'
import { formatCpuList, parseCpuList } from '../../src/formats/cpu-list.ts'

const read = test.macro({
  exec: (t, text: string, cpus: readonly number[] | undefined) => t.deepEqual(parseCpuList(text), cpus),
  title: (_, text) => `reads ${JSON.stringify(text)}`,
})

test(read, '', [])
test(read, '0-3,8', [0, 1, 2, 3, 8])
test(read, ' 8,0-1,1 \n', [0, 1, 8])
test(read, '3-1', undefined)
test(read, '0-', undefined)
test(read, '0,,1', undefined)
test(read, '0-10:2/4', undefined)
test(read, 'all', undefined)
test(read, '999999', undefined)

test('writes the shortest form', (t) => {
  t.is(formatCpuList([]), '')
  t.is(formatCpuList([5]), '5')
  t.is(formatCpuList([7, 3, 2, 2, 1, 0]), '0-3,7')
})

test('what is written is read back', (t) => {
  const cpus = fc.uniqueArray(fc.nat(8191))
  fc.assert(
    fc.property(
      cpus,
      (list) =>
        void t.deepEqual(
          parseCpuList(formatCpuList(list)),
          list.toSorted((a, b) => a - b),
        ),
    ),
  )
})
