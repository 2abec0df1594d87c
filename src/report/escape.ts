/**
 * Makes text from a host or a file safe to print: control characters, bidirectional overrides and invalid code points
 * are shown as escapes, so that no terminal acts on them. Tabs become blanks; line ends are kept only when asked for.
 */
export function escapeForTerminal(text: string, { keepNewlines = false } = {}): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (character) => {
    if (character === '\n' && keepNewlines) return character
    if (character === '\t') return '  '
    const code = character.charCodeAt(0)
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
