import type { Bytes } from '../core/bytes.ts'

/** One `KEY{attribute}OPERATOR"value"`. Operators that compare: `==` and `!=`; all others assign. */
export type UdevToken = {
  readonly key: string
  readonly attribute: string | null
  readonly operator: string
  readonly value: Bytes
}

/** `tokens: null`: the line is not understood. */
export type UdevRule = { readonly line: number; readonly tokens: readonly UdevToken[] | null }

/**
 * Reads a rules file (udev(7), systemd src/udev/udev-rules.c): a rule a line, lines joined by a final backslash,
 * comments from the first byte that is no blank.
 */
export function parseUdevRules(content: Bytes): readonly UdevRule[] {
  const rules: UdevRule[] = []
  let text = ''
  let start = 1
  for (const [index, line] of content.split('\n').entries()) {
    if (text === '') start = index + 1
    if (text === '' && /^\s*#/.test(line)) continue
    if (line.endsWith('\\')) {
      text += line.slice(0, -1)
      continue
    }
    const whole = (text + line).trim()
    text = ''
    if (whole !== '') rules.push({ line: start, tokens: parseTokens(whole) })
  }
  return rules
}

const token = /\s*,?\s*([A-Z_]+)(?:\{([^}]*)\})?\s*(==|!=|\+=|-=|:=|=)\s*(e?i?)"((?:[^"\\]|\\.)*)"/y

function parseTokens(text: Bytes): readonly UdevToken[] | null {
  const tokens: UdevToken[] = []
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const from = token.lastIndex
    const match = token.exec(text)
    if (match === null) return /^[\s,]*$/.test(text.slice(from)) ? tokens : null
    const [, key = '', attribute, operator = '', prefix, value = ''] = match
    if (prefix !== '') return null
    tokens.push({ key, attribute: attribute ?? null, operator, value: value.replaceAll('\\"', '"') })
  }
  return tokens
}

/** A value that is compared: shell patterns, alternatives between `|` (udev(7)). */
export function matchesUdevPattern(pattern: Bytes, text: Bytes): boolean {
  return pattern.split('|').some((each) => globPattern(each).test(text))
}

function globPattern(pattern: Bytes): RegExp {
  const source = pattern.replace(/\[!?[^\]]*\]|[^]/g, (found) => {
    if (found.length > 1) return found.replace('[!', '[^').replaceAll('\\', '\\\\')
    if (found === '*') return '[^]*'
    return found === '?' ? '[^]' : found.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${source}$`)
}
