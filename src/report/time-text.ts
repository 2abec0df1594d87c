/** `90 s`, `10 min`, `10 min 5 s`, `1 h 30 min`: for people, two units at most. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return join([`${minutes} min`, seconds % 60 === 0 ? '' : `${seconds % 60} s`])
  return join([`${Math.floor(minutes / 60)} h`, minutes % 60 === 0 ? '' : `${minutes % 60} min`])
}

function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}

/** By this machine's clock: `12:40:05 UTC`. */
export function formatTime(date: Date): string {
  return `${date.toISOString().slice(11, 19)} UTC`
}
