import { bytesFromText } from '../../src/core/bytes.ts'
import { error } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import { parseCommandLineParts } from '../../src/formats/kernel-command-line.ts'
import type { KernelArgument } from './kernel-arguments.ts'

/** Characters that no reader of the command line agrees on, and that no argument needs. */
const control = /[\u0000-\u001F\u007F]/

/** A blank to the kernel (lib/ctype.c): the second byte of a no-break space, and of some letters (`à`), in UTF-8. */
const hiddenBlank = '\u00A0'

type Parsed = { readonly argument: KernelArgument } | { readonly problem: Diagnostic }

/** Reads one list item by the kernel's rules; more than one argument in it is a problem. */
export function parseArgument(text: string): Parsed {
  if (text.trim() === '' || text === '""') return problem('ARGUMENT_EMPTY', 'an empty text is no kernel argument')
  if (control.test(text)) return problem('ARGUMENT_INVALID', `${JSON.stringify(text)} holds a control character`)
  if (text.split('"').length % 2 === 0) return problem('ARGUMENT_INVALID', `a quote in ${text} is not closed`)
  const bytes = bytesFromText(text)
  if (bytes.replace(/"[^"]*"/g, '').includes(hiddenBlank)) return { problem: severalArguments(text) }
  const { args, init } = parseCommandLineParts(bytes)
  if (init !== null) return problem('ARGUMENT_INVALID', "-- ends the part of the command line that is the kernel's")
  const [argument, ...rest] = args
  if (argument === undefined || rest.length > 0) return { problem: severalArguments(text) }
  return { argument: { name: argument.name, value: argument.value } }
}

function problem(code: string, message: string): Parsed {
  return { problem: error(code, message) }
}

function severalArguments(text: string): Diagnostic {
  return error('ARGUMENT_SPLIT', `the kernel does not read ${JSON.stringify(text)} as one argument`, {
    hint: text.includes(hiddenBlank)
      ? 'it holds a no-break space, as pasted from a web page: type the argument anew'
      : 'one argument per item; a value with a blank is written name="a b"',
  })
}
