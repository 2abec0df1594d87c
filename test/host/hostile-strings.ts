import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import * as fc from 'fast-check'

/** A file that exists only when somebody ran a text of ours as a program. */
export type Canary = { readonly path: string; readonly wasTouched: () => boolean }

export function setCanary(t: ExecutionContext): Canary {
  // A short name without anything that wants quoting, so that every text that is run finds it.
  const directory = mkdtempSync(join(tmpdir(), 'canary'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'c')
  return { path, wasTouched: () => existsSync(path) }
}

const long = 'a'.repeat(100_000)

/** Texts that would do something, if anything but data were made of them. `run` is a command line. */
export function hostileTexts(run: string): readonly string[] {
  return [
    `'; ${run}; '`,
    `"; ${run}; "`,
    `$(${run})`,
    `"$(${run})"`,
    `\`${run}\``,
    `x=\`${run}\``,
    `x=$(${run})`,
    `x="$(${run}) y"`,
    `x='$(${run})'`,
    `x=a'$(${run})'b`,
    `a\n${run}\n`,
    `a\r\n${run}`,
    `a; ${run}`,
    `a | ${run} &`,
    `a && ${run}`,
    `x=\${IFS}$(${run.replaceAll(' ', '${IFS}')})`,
    `x=$(${run.replaceAll(' ', '${IFS}')})`,
    `x=\`${run.replaceAll(' ', '${IFS}')}\``,
    `x=\\$(${run.replaceAll(' ', '${IFS}')})`,
    `x=\\\\$(${run.replaceAll(' ', '${IFS}')})`,
    `x=';${run.replaceAll(' ', '${IFS}')};'`,
    `x=\\';${run.replaceAll(' ', '${IFS}')};#`,
    `install vfio ${run}`,
    `-oProxyCommand=${run}`,
    '-rf',
    '--',
    '-e',
    '-',
    '',
    ' ',
    '%',
    '%00%0A%2D',
    '%s%n%p',
    '\\0101\\c\\n',
    '\\',
    'a\\',
    '*',
    '/*',
    '[a-z]*',
    '~root',
    '$HOME',
    '${x-}',
    '#',
    'a#b',
    '!!',
    '../../../../etc/passwd',
    '/',
    '.',
    '..',
    'a\0b',
    '\0',
    '\x1b[2J\x1b]0;gone\x07\x1b[31m',
    '\u009b2J',
    '\u202Egnp.x',
    '\u200b',
    '\ufeff',
    '\ufffd',
    '\ud800',
    'ä ü\u00a0',
    'a\tb',
    'a\x7fb\x08\x08',
    '{{ 7 * 7 }}',
    '{% raw %}',
    'event\tend\tcommitted',
    '\npassway-end nonce 0\n',
    '\n@n0nce end\n',
    '__proto__',
    'constructor',
    long,
    `${long}'`,
    `x=${long}`,
  ]
}

/** Random mixtures of what shells, terminals and formats of lines make something of. */
export function hostileMixtures(run: string): fc.Arbitrary<string> {
  const shell = ["'", '"', '`', '$(', ')', '${', '}', '\\', ';', '|', '&', '<', '>', '(', '*', '?', '[', ']', '~', '#']
  const lines = [
    '%',
    '=',
    ',',
    ':',
    '/',
    '.',
    '-',
    '--',
    ' ',
    '\t',
    '\n',
    '\r',
    '\0',
    '\x1b[',
    '\x07',
    '\x7f',
    '\u0085',
  ]
  const texts = [
    '\u202e',
    '\ud800',
    'ä',
    'a',
    'x=',
    '0',
    run,
    `$(${run})`,
    `\n${run}\n`,
    '%0A',
    '\\n',
    '\\0101',
    '{{',
    '}}',
  ]
  const parts = [...shell, ...lines, ...texts]
  return fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 12 }).map((words) => words.join(''))
}

/** What a terminal would act on; colours and line ends are ours. */
export function findControl(text: string): string | null {
  const plain = text.replaceAll(/\u001b\[\d+m/g, '')
  const found = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.exec(plain)
  return found === null ? null : JSON.stringify(plain.slice(Math.max(0, found.index - 40), found.index + 20))
}
