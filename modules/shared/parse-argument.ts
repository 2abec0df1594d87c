import { bytesFromText } from '../../src/core/bytes.ts'
import { error } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import type { KernelArgument } from './kernel-arguments.ts'

/** White space of the kernel (lib/ctype.c): a no-break space's second byte, A0, is among it. */
const blank = /[\t\n\v\f\r \u00A0]/

/** Characters that no reader of the command line agrees on, and that no argument needs. */
const control = /[\u0000-\u001F\u007F]/

type Parsed = { readonly argument: KernelArgument } | { readonly problem: Diagnostic }

/** Reads one list item by the kernel's rules (lib/cmdline.c next_arg); more than one argument in it is a problem. */
export function parseArgument(text: string): Parsed {
  const bytes = bytesFromText(text)
  const problem = findTextProblem(text, bytes)
  if (problem) return { problem }
  const equals = bytes.startsWith('"') ? findEquals(bytes.slice(1)) + 1 : findEquals(bytes)
  if (equals <= 0) return { argument: { name: unquote(bytes), value: null } }
  const name = bytes.slice(0, equals)
  const value = bytes.slice(equals + 1)
  if (name.startsWith('"')) return { argument: { name: name.slice(1), value: value.replace(/"$/, '') } }
  return { argument: { name, value: unquote(value) } }
}

function findTextProblem(text: string, bytes: string): Diagnostic | undefined {
  if (bytes.length === 0 || bytes === '""') return error('ARGUMENT_EMPTY', 'an empty text is no kernel argument')
  if (control.test(text)) return error('ARGUMENT_INVALID', `${JSON.stringify(text)} holds a control character`)
  if (!hasBalancedQuotes(bytes)) return error('ARGUMENT_INVALID', `a quote of ${JSON.stringify(text)} is not closed`)
  if (splits(bytes)) return severalArguments(text)
  if (bytes === '--') return error('ARGUMENT_INVALID', "-- ends the part of the command line that is the kernel's")
  return undefined
}

function severalArguments(text: string): Diagnostic {
  const nbsp = text.includes('\u00A0')
  return error('ARGUMENT_SPLIT', `the kernel reads ${JSON.stringify(text)} as several arguments`, {
    hint: nbsp
      ? 'it holds a no-break space, as pasted from a web page: type the argument anew'
      : 'one argument per item; a value with a blank is written name="a b"',
  })
}

function hasBalancedQuotes(bytes: string): boolean {
  return bytes.split('"').length % 2 === 1
}

/** A blank outside of double quotes ends an argument. */
function splits(bytes: string): boolean {
  return bytes.split('"').some((part, index) => index % 2 === 0 && blank.test(part))
}

/** Position of the first `=` that is not the first character; -1 where there is none. */
function findEquals(bytes: string): number {
  return bytes.indexOf('=', 1)
}

/** Only a quote that opens the value is taken off, with one at the end; others stay in it. */
function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1).replace(/"$/, '') : text
}
