/**
 * Matches a modules.alias pattern against a modalias as kmod does: fnmatch without flags, so `*` also spans slashes
 * (kmod libkmod-index.c). The bus part is matched exactly, names of modules are folded elsewhere.
 */
export function matchesAlias(pattern: string, modalias: string): boolean {
  return matchesFrom(pattern, 0, modalias, 0)
}

/** Greedy star with one point to return to: linear for the patterns that exist, never exponential. */
function matchesFrom(pattern: string, patternStart: number, text: string, textStart: number): boolean {
  let at = patternStart
  let position = textStart
  let star: { pattern: number; text: number } | undefined
  while (position < text.length) {
    const step = pattern[at] === '*' ? undefined : matchOne(pattern, at, text[position] ?? '')
    if (pattern[at] === '*') {
      star = { pattern: at + 1, text: position }
      at += 1
    } else if (step !== undefined) {
      at = step
      position += 1
    } else if (star !== undefined) {
      star = { pattern: star.pattern, text: star.text + 1 }
      at = star.pattern
      position = star.text
    } else return false
  }
  return /^\**$/.test(pattern.slice(at))
}

/** Index after the pattern element at `at` when it matches `char`. */
function matchOne(pattern: string, at: number, char: string): number | undefined {
  const element = pattern[at]
  if (element === undefined) return undefined
  if (element === '?') return at + 1
  if (element === '[') return matchBracket(pattern, at, char)
  const literal = element === '\\' && at + 1 < pattern.length ? at + 1 : at
  return pattern[literal] === char ? literal + 1 : undefined
}

function matchBracket(pattern: string, at: number, char: string): number | undefined {
  const end = pattern.indexOf(']', at + 2)
  if (end < 0) return pattern[at] === char ? at + 1 : undefined
  const inverted = pattern[at + 1] === '!' || pattern[at + 1] === '^'
  const set = pattern.slice(at + (inverted ? 2 : 1), end)
  return inSet(set, char) === inverted ? undefined : end + 1
}

function inSet(set: string, char: string): boolean {
  for (let index = 0; index < set.length; index += 1) {
    const low = set[index] ?? ''
    const high = set[index + 1] === '-' ? set[index + 2] : undefined
    if (high !== undefined) {
      if (low <= char && char <= high) return true
      index += 2
    } else if (low === char) return true
  }
  return false
}
