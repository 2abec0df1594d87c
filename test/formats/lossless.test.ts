import test from 'ava'
import * as fc from 'fast-check'
import {
  formatEnvironmentFile,
  parseEnvironmentFile,
  setEnvironmentVariable,
  unsetEnvironmentVariable,
} from '../../src/formats/environment-file.ts'
import { formatGrubCfg, listGrubEntries, parseGrubCfg } from '../../src/formats/grub-cfg.ts'
import { parseGrubenv } from '../../src/formats/grubenv.ts'
import { splitLines } from '../../src/formats/lines.ts'
import {
  appendModprobeLines,
  commentOutModprobeLines,
  formatModprobe,
  parseModprobe,
  removeModprobeLines,
  uncommentModprobeLines,
} from '../../src/formats/modprobe.ts'
import { addModules, formatModuleList, parseModuleList, removeModules } from '../../src/formats/module-list.ts'
import { formatShellAssignments, parseShellAssignments } from '../../src/formats/shell-assignments.ts'
import { anyBytes } from './arbitraries.ts'

const runs = { numRuns: 2000 }

test('formatting what was parsed gives every byte back', (t) => {
  fc.assert(
    fc.property(anyBytes(), (text) => {
      t.is(formatShellAssignments(parseShellAssignments(text)), text)
      t.is(formatModprobe(parseModprobe(text)), text)
      t.is(formatModuleList(parseModuleList(text, 'modules-load')), text)
      t.is(formatModuleList(parseModuleList(text, 'initramfs')), text)
      t.is(formatEnvironmentFile(parseEnvironmentFile(text)), text)
      t.is(formatGrubCfg(parseGrubCfg(text)), text)
      t.is(joinLines(text), text)
    }),
    runs,
  )
})

function joinLines(text: string): string {
  return splitLines(text)
    .map((line) => line.text + line.lineEnd)
    .join('')
}

test('spans name the bytes they say, and do not overlap', (t) => {
  fc.assert(
    fc.property(anyBytes(), (text) => {
      for (const line of parseModprobe(text).lines) t.is(text.slice(line.start, line.end), line.text)
      for (const entry of listGrubEntries(parseGrubCfg(text))) t.is(text.slice(entry.start, entry.end), entry.text)
      assertOrdered(t, parseModuleList(text, 'modules-load').entries)
      assertOrdered(t, parseModuleList(text, 'initramfs').entries)
      assertOrdered(t, parseEnvironmentFile(text).entries)
      parseGrubenv(`# GRUB Environment Block\n${text}`)
    }),
    runs,
  )
  t.pass()
})

function assertOrdered(t: { true(value: boolean): void }, spans: readonly { start: number; end: number }[]): void {
  let at = 0
  for (const span of spans) {
    t.true(span.start >= at && span.end > span.start)
    at = span.end
  }
}

test('modprobe edits are idempotent, and commenting out can be taken back', (t) => {
  const lines = ['options vfio-pci ids=1:2', 'softdep a pre: b']
  const isBlacklist = (line: { kind: string }) => line.kind === 'blacklist'
  fc.assert(
    fc.property(anyBytes(), (text) => {
      const document = parseModprobe(text)
      const added = appendModprobeLines(document, lines)
      t.is(formatModprobe(appendModprobeLines(added, lines)), formatModprobe(added))
      t.true(formatModprobe(added).startsWith(text))
      t.true(lines.every((line) => added.lines.some((other) => other.text.replace(/\n$/, '') === line)))
      const removed = removeModprobeLines(document, isBlacklist)
      t.is(formatModprobe(removeModprobeLines(removed, isBlacklist)), formatModprobe(removed))
      t.false(removed.lines.some(isBlacklist))
      const commented = commentOutModprobeLines(document, isBlacklist, 'tag')
      t.is(formatModprobe(commentOutModprobeLines(commented, isBlacklist, 'tag')), formatModprobe(commented))
      t.false(commented.lines.some(isBlacklist))
      if (!text.includes('# tag')) t.is(formatModprobe(uncommentModprobeLines(commented, isBlacklist, 'tag')), text)
    }),
    runs,
  )
})

test('module list edits are idempotent and keep what they do not name', (t) => {
  const names = ['vfio', 'vfio-pci', 'vfio_pci']
  fc.assert(
    fc.property(anyBytes(), fc.constantFrom('modules-load' as const, 'initramfs' as const), (text, dialect) => {
      const list = parseModuleList(text, dialect)
      const added = addModules(list, names)
      t.is(addModules(added, names).content, added.content)
      t.true(added.content.startsWith(text))
      t.deepEqual(modulesOf(added), [...modulesOf(list), 'vfio', 'vfio-pci'])
      t.deepEqual(modulesOf(removeModules(added, names)), modulesOf(list))
      t.is(removeModules(list, names).content, text)
    }),
    runs,
  )
})

function modulesOf(list: { entries: readonly { module: string }[] }): readonly string[] {
  return list.entries.map((entry) => entry.module)
}

test('environment edits are idempotent and leave other variables', (t) => {
  fc.assert(
    fc.property(anyBytes(), fc.string({ unit: 'grapheme-ascii' }), (text, value) => {
      const document = parseEnvironmentFile(text)
      const set = setEnvironmentVariable(document, 'NEW_NAME', value)
      t.is(setEnvironmentVariable(set, 'NEW_NAME', value).content, set.content)
      const gone = unsetEnvironmentVariable(set, 'NEW_NAME')
      t.is(unsetEnvironmentVariable(gone, 'NEW_NAME').content, gone.content)
      t.false(gone.entries.some((entry) => entry.name === 'NEW_NAME'))
    }),
    runs,
  )
})
