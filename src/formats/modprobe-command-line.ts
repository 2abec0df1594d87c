import type { Bytes } from '../core/bytes.ts'
import { foldModuleName } from './modprobe-file.ts'

/** `module` of a blacklist is not folded, and kmod compares it exactly with the folded name: `snd-hda-intel` has no effect. */
export type CommandLineModprobe =
  | { readonly kind: 'options'; readonly module: Bytes; readonly value: Bytes }
  | { readonly kind: 'blacklist'; readonly module: Bytes }

type Reading = {
  readonly text: Bytes
  state: 'ignore' | 'module' | 'option' | 'value'
  isQuoted: boolean
  /** Where the word, its option and its value begin; `quote`: the word began with a quote. */
  module: number
  option: number
  value: number
  quote: boolean
  readonly found: CommandLineModprobe[]
}

/**
 * What kmod takes from /proc/cmdline (libkmod-config.c kmod_config_parse_kcmdline): `module.option[=value]` and
 * `modprobe.blacklist=a,b`. A word that is not ended, or that has a quote outside its value, is ignored.
 */
export function parseCommandLineModprobe(commandLine: Bytes): readonly CommandLineModprobe[] {
  const text = commandLine.endsWith('\n') ? commandLine : `${commandLine}\n`
  const reading: Reading = {
    text,
    state: 'module',
    isQuoted: false,
    module: 0,
    option: 0,
    value: 0,
    quote: false,
    found: [],
  }
  for (let at = 0; at < text.length; at++) step(reading, at)
  return reading.found
}

function step(reading: Reading, at: number): void {
  const char = reading.text.charAt(at)
  if (char === '"') return stepQuote(reading, at)
  if (/[ \n\t\v\f\r]/.test(char)) return stepBlank(reading, at)
  if (char === '.') return stepDot(reading, at)
  if (char !== '=') return
  if (reading.state === 'option') {
    reading.state = 'value'
    reading.value = at + 1
  } else if (reading.state === 'module') reading.state = 'ignore'
}

function stepQuote(reading: Reading, at: number): void {
  reading.isQuoted = !reading.isQuoted
  if (reading.isQuoted && reading.state === 'module' && at === reading.module) {
    reading.quote = true
    reading.module = at + 1
  } else if (reading.state !== 'value') reading.state = 'ignore'
}

function stepDot(reading: Reading, at: number): void {
  if (reading.state === 'module') {
    reading.state = 'option'
    reading.option = at + 1
  } else if (reading.state === 'option') reading.state = 'ignore'
}

function stepBlank(reading: Reading, at: number): void {
  if (reading.isQuoted) {
    if (reading.state !== 'value') reading.state = 'ignore'
    return
  }
  if (reading.state === 'option' || reading.state === 'value') add(reading, at)
  reading.state = 'module'
  reading.module = at + 1
  reading.quote = false
}

function add(reading: Reading, end: number): void {
  const { text, module, option, value, quote, state } = reading
  const name = text.slice(module, option - 1)
  const isBlacklist = name === 'modprobe' && text.startsWith('blacklist=', option)
  if (isBlacklist) {
    const names = text.slice(value, end).split(',')
    reading.found.push(...names.map((other) => ({ kind: 'blacklist' as const, module: other })))
  } else if (!/[[\]]/.test(name.replace(/\[[^\]]*\]/g, ''))) {
    // GRUB hands over "module.option=a b": kmod moves the quote to the value.
    const options =
      quote && state === 'value' ? `${text.slice(option, value)}"${text.slice(value, end)}` : text.slice(option, end)
    reading.found.push({ kind: 'options', module: foldModuleName(name), value: options })
  }
}
