/** The candidate that was probably meant, by edit distance (neighbours swapped count once); undefined when none is near. */
export function findNearest(word: string, candidates: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let least = Math.floor(Math.max(3, Math.min(word.length, 12)) / 3) + 1
  for (const candidate of candidates) {
    const distance = editDistance(fold(word), fold(candidate), least)
    if (distance >= least) continue
    nearest = candidate
    least = distance
  }
  return nearest
}

/** `did you mean "x"?`, as details of a diagnostic; empty when nothing is near. */
export function meantHint(word: string, candidates: Iterable<string>): { hint?: string } {
  const nearest = findNearest(word, candidates)
  return nearest === undefined ? {} : { hint: `did you mean ${JSON.stringify(nearest)}?` }
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll('-', '_')
}

/** Optimal string alignment; stops counting at `limit`. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      current.push(cost(left, right, row, column, current, last, beforeLast))
    }
    beforeLast = last
    last = current
  }
  return last[right.length] ?? limit
}

function cost(
  left: string,
  right: string,
  row: number,
  column: number,
  current: readonly number[],
  last: readonly number[],
  beforeLast: readonly number[],
): number {
  const same = left[row - 1] === right[column - 1]
  const replaced = (last[column - 1] ?? 0) + (same ? 0 : 1)
  const shortest = Math.min(replaced, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1)
  const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
  return row > 1 && column > 1 && swapped ? Math.min(shortest, (beforeLast[column - 2] ?? 0) + 1) : shortest
}
