import test from 'ava'
import { addModules, hasModule, parseModuleList, removeModules } from '../../src/formats/module-list.ts'
import type { ModuleListDialect } from '../../src/formats/module-list.ts'
import { readCases, titleOf } from './cases.ts'

type LoadCase = { name?: string; input: string; modules: string[] }
for (const source of ['modules-load', 'real-modules-load']) {
  for (const [index, { name, input, modules }] of (readCases(source) as LoadCase[]).entries()) {
    test(titleOf(`${source} ${name ?? ''}`, index, input), (t) => {
      const list = parseModuleList(input, 'modules-load')
      t.deepEqual(
        list.entries.map((entry) => entry.module),
        modules,
      )
    })
  }
}

type InitramfsCase = { name?: string; input: string; modules: [string, string][] }
for (const source of ['initramfs-modules', 'real-initramfs-modules']) {
  for (const [index, { name, input, modules }] of (readCases(source) as InitramfsCase[]).entries()) {
    test(titleOf(`${source} ${name ?? ''}`, index, input), (t) => {
      const list = parseModuleList(input, 'initramfs')
      t.deepEqual(
        list.entries.map((entry) => [entry.module, entry.args]),
        modules,
      )
    })
  }
}

test('the two readers differ about CR, indented comments and arguments', (t) => {
  const input = 'vfio\r\n # x\napm power_off=1\n'
  const modules = (dialect: ModuleListDialect) => parseModuleList(input, dialect).entries.map((entry) => entry.module)
  t.deepEqual(modules('modules-load'), ['vfio', 'apm power_off=1'])
  t.deepEqual(modules('initramfs'), ['vfio\r', '#', 'apm'])
})

const added: readonly (readonly [string, ModuleListDialect, string, string])[] = [
  ['an empty file', 'modules-load', '', 'vfio\nvfio-pci\n'],
  ['a final newline', 'modules-load', '# c\nloop\n', '# c\nloop\nvfio\nvfio-pci\n'],
  ['no final newline', 'modules-load', 'loop', 'loop\nvfio\nvfio-pci'],
  ['CRLF', 'modules-load', 'loop\r\n', 'loop\r\nvfio\r\nvfio-pci\r\n'],
  ['CRLF in the initramfs list', 'initramfs', 'loop\r\n', 'loop\r\nvfio\nvfio-pci\n'],
  ['one of them there', 'modules-load', 'vfio\nlast', 'vfio\nlast\nvfio-pci'],
  ['the other spelling', 'initramfs', 'vfio_pci ids=1:2\n', 'vfio_pci ids=1:2\nvfio\n'],
  ['commented out', 'modules-load', '#vfio\n', '#vfio\nvfio\nvfio-pci\n'],
]
for (const [title, dialect, before, after] of added) {
  test(`adds to ${title}`, (t) => {
    const list = addModules(parseModuleList(before, dialect), ['vfio', 'vfio-pci'])
    t.is(list.content, after)
    t.true(hasModule(list, 'vfio_pci'))
  })
}

test('removes whole lines and nothing else', (t) => {
  const list = parseModuleList('a # x\n\n vfio-pci ids=1\r\n#vfio_pci\nb', 'initramfs')
  t.is(removeModules(list, ['vfio_pci', 'b']).content, 'a # x\n\n#vfio_pci\n')
})
