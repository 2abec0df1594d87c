/** What a program's standard output held, taken apart by the marks of `bootLine`. */
export type FramedOutput = {
  /** The text before the program's own output: banners, and what start-up files of the login shell print. */
  readonly noise: string
  readonly ready: boolean
  /** Exact bytes between the ready mark and the end mark. */
  readonly output: Buffer
  /** The program's exit status; null when the end mark is missing. */
  readonly status: number | null
  /** What was wrong with the spool (`header`, `length`, `hash`). */
  readonly mismatch: string | null
}

export type OutputFrame = {
  readonly push: (chunk: Buffer) => void
  readonly finish: () => FramedOutput
}

type Listeners = {
  readonly onReady: () => void
  readonly onLine?: ((line: string) => void) | undefined
  /** More came than any program of ours prints; what comes after is dropped. */
  readonly onOverflow?: () => void
}

/** Bytes of one run: more than the largest host of ours ever printed, and not enough to harm this machine. */
const outputLimit = 64 * 1024 * 1024

/** A longer line is no event; it is skipped. */
const lineLimit = 1024 * 1024

const noiseLimit = 64 * 1024

/** Collects standard output; tells when the ready mark was seen, and each complete line after it. */
export function createOutputFrame(nonce: string, listeners: Listeners): OutputFrame {
  const mark = Buffer.from(`passway-ready ${nonce}\n`)
  const chunks: Buffer[] = []
  const lines = listeners.onLine ? createLineSplitter(listeners.onLine) : null
  let noise: Buffer = Buffer.alloc(0)
  let ready = false
  let total = 0

  function add(chunk: Buffer): void {
    total += chunk.length
    if (total > outputLimit) return listeners.onOverflow?.()
    chunks.push(chunk)
    lines?.(chunk)
  }

  function push(chunk: Buffer): void {
    if (ready) return add(chunk)
    noise = Buffer.concat([noise, chunk])
    const at = noise.indexOf(mark)
    if (at < 0) {
      noise = noise.subarray(Math.max(0, noise.length - noiseLimit))
      return
    }
    ready = true
    const rest = noise.subarray(at + mark.length)
    noise = noise.subarray(0, at)
    listeners.onReady()
    if (rest.length > 0) add(rest)
  }

  return { push, finish: () => ({ noise: noise.toString('latin1'), ready, ...readEnd(Buffer.concat(chunks), nonce) }) }
}

function readEnd(all: Buffer, nonce: string): Pick<FramedOutput, 'output' | 'status' | 'mismatch'> {
  const at = all.lastIndexOf(`\npassway-end ${nonce} `, undefined, 'latin1')
  const tail = at < 0 ? '' : all.subarray(at).toString('latin1')
  const end = /^\npassway-end \S+ (\d+)\n/.exec(tail)
  const mismatch = /^passway-spool-mismatch \S+ (\w+)\n/.exec(all.subarray(0, 200).toString('latin1'))
  return {
    output: end ? all.subarray(0, at) : all,
    status: end ? Number(end[1]) : null,
    mismatch: mismatch?.[1] ?? null,
  }
}

function createLineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = ''
  let isSkipped = false
  return (chunk) => {
    const parts = (rest + chunk.toString('latin1')).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      if (!isSkipped && !line.startsWith('passway-end ')) onLine(line)
      isSkipped = false
    }
    if (rest.length <= lineLimit) return
    rest = ''
    isSkipped = true
  }
}
