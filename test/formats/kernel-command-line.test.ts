import test from 'ava'
import * as fc from 'fast-check'
import {
  addMember,
  editKernelArguments,
  formatKernelArgument,
  hasMember,
  isKernelBlank,
  isSameName,
  parseCommandLineParts,
  parseHugepages,
  parseKernelCommandLine,
  removeMember,
} from '../../src/formats/kernel-command-line.ts'
import { readCases, titleOf } from './cases.ts'
import { anyBytes } from './arbitraries.ts'

type ParseCase = { input: string; args: [string, string | null][]; init: string | null }
for (const [index, { input, args, init }] of (readCases('kernel-arguments') as ParseCase[]).entries()) {
  test(titleOf('next_arg', index, input), (t) => {
    const parts = parseCommandLineParts(input)
    t.deepEqual(
      parts.args.map((argument) => [argument.name, argument.value]),
      args,
    )
    t.is(parts.init, init)
  })
}

type EditCase = { input: string; set: string[]; remove: string[]; expect: string }
for (const [index, edit] of (readCases('kernel-argument-edits') as EditCase[]).entries()) {
  test(titleOf('edit', index, edit.input), (t) => {
    t.is(textOf(editKernelArguments(parseKernelCommandLine(edit.input), edit)), edit.expect)
  })
}

function textOf(args: readonly { text: string }[]): string {
  return args.map((argument) => argument.text).join(' ')
}

test('a bare name removes every value, a pair only itself', (t) => {
  const args = parseKernelCommandLine('a=1 b a=2 a-x=3 a_x=4')
  t.is(textOf(editKernelArguments(args, { remove: ['a'] })), 'b a-x=3 a_x=4')
  t.is(textOf(editKernelArguments(args, { remove: ['a=1', 'a_x'] })), 'b a=2')
})

test('the last other console gives way, other repeated names add up', (t) => {
  const args = parseKernelCommandLine('console=tty0 console=ttyS0 rd.driver.pre=vfio')
  const edited = editKernelArguments(args, { set: ['console=tty0', 'console=ttyS1', 'rd.driver.pre=vfio-pci'] })
  t.is(textOf(edited), 'console=tty0 console=ttyS1 rd.driver.pre=vfio rd.driver.pre=vfio-pci')
})

test('editing is idempotent', (t) => {
  const word = fc.constantFrom(
    'a',
    'a=1',
    'a=2',
    'b-c',
    'b_c=x',
    'console=tty0',
    'console=ttyS0',
    'hugepages=4',
    'q="x y"',
  )
  fc.assert(
    fc.property(fc.array(word), fc.array(word), fc.array(word), (before, set, remove) => {
      const edit = { set, remove: remove.filter((text) => !set.includes(text)) }
      const once = editKernelArguments(parseKernelCommandLine(before.join(' ')), edit)
      t.is(textOf(editKernelArguments(once, edit)), textOf(once))
    }),
  )
  t.pass()
})

test('names fold dashes, values never', (t) => {
  t.true(isSameName('pcie-acs-override', 'pcie_acs_override'))
  t.false(isSameName('iommu', 'IOMMU'))
  t.false(isSameName('a.b', 'a_b'))
})

test('every byte of the kernel part belongs to an argument or is a blank', (t) => {
  fc.assert(
    fc.property(anyBytes(), (text) => {
      const args = parseKernelCommandLine(text)
      const first = args[0]?.start ?? 0
      const last = args.at(-1)?.end ?? 0
      let at = first
      for (const argument of args) {
        t.true(text.slice(at, argument.start).split('').every(isKernelBlank))
        t.is(text.slice(argument.start, argument.end), argument.text)
        at = argument.end
      }
      t.is(at, last)
    }),
  )
})

test('a formatted argument reads back as itself', (t) => {
  t.is(formatKernelArgument('dyndbg', 'file x +p'), 'dyndbg="file x +p"')
  t.is(formatKernelArgument('quiet', null), 'quiet')
  t.is(formatKernelArgument('a', 'x" y'), undefined)
  t.is(formatKernelArgument('', 'x'), undefined)
  fc.assert(
    fc.property(anyBytes(), fc.option(anyBytes()), (name, value) => {
      const text = formatKernelArgument(name, value)
      if (text === undefined) return
      t.like(parseKernelCommandLine(text), { length: 1, 0: { name, value, text } })
    }),
  )
})

test('members of a comma list', (t) => {
  t.true(hasMember('on,sm_on', 'sm_on'))
  t.is(addMember('on', 'sm_on'), 'on,sm_on')
  t.is(addMember('on,sm_on', 'on'), 'on,sm_on')
  t.is(addMember(null, 'on'), 'on')
  t.is(removeMember('on,sm_on', 'on'), 'sm_on')
  t.is(removeMember('on', 'on'), null)
})

type HugeCase = { input: string; pools: Record<string, number> }
const sizes: Record<string, number> = { '2M': 2048, '1G': 1048576 }
for (const [index, { input, pools }] of (readCases('hugepages') as HugeCase[]).entries()) {
  test(titleOf('huge pages', index, input), (t) => {
    const parsed = parseHugepages(parseKernelCommandLine(input))
    t.deepEqual(
      parsed.pools.map((pool) => [pool.sizeKb, pool.total]),
      Object.entries(pools).map(([size, total]) => [sizes[size], total]),
    )
    t.deepEqual(parsed.ignored, [])
  })
}

// Documentation/admin-guide/mm/hugetlbpage.rst: a first count is for the default size, a later pair for it is ignored.
test('a count before any size is for the default size', (t) => {
  const parsed = parseHugepages(parseKernelCommandLine('hugepages=256 hugepagesz=2M hugepages=512'))
  t.like(parsed.pools, [{ sizeKb: 2048, total: 256 }])
  t.is(parsed.pools.length, 1)
  t.deepEqual(
    parsed.ignored.map((other) => other.argument),
    ['hugepagesz=2M', 'hugepages=512'],
  )
})

test('the default size may be named before its pair', (t) => {
  const parsed = parseHugepages(
    parseKernelCommandLine('default_hugepagesz=1G hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=0:100,1:28'),
  )
  t.is(parsed.defaultSizeKb, 1048576)
  t.deepEqual(parsed.pools, [
    { sizeKb: 1048576, total: 16, nodes: null },
    {
      sizeKb: 2048,
      total: 128,
      nodes: new Map([
        [0, 100],
        [1, 28],
      ]),
    },
  ])
})

test('what the kernel ignores is named', (t) => {
  const parsed = parseHugepages(
    parseKernelCommandLine('hugepagesz=3Q hugepages=4 hugepagesz=2M hugepages=1 hugepages=2'),
  )
  t.deepEqual(
    parsed.ignored.map((other) => other.argument),
    ['hugepagesz=3Q', 'hugepages=4', 'hugepages=2'],
  )
})
