import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as fc from 'fast-check'
import type { ExecutionContext } from 'ava'
import { bootLine, formatSpool } from '../../src/host/bootstrap.ts'
import { createOutputFrame } from '../../src/host/output-frame.ts'
import test from 'ava'
import { testUnless } from './skip.ts'

const program = 'main() {\n  printf "%s|%s|%s|%s|%s" "$#" "$1" "$2" "$3" "${IFS+set}"\n  exit 5\n}\nmain "$@"\n'

function boot(shell: readonly string[], input: string | Buffer, connection?: string): ReturnType<typeof spawnSync> {
  const [command = '', ...first] = shell
  return spawnSync(command, [...first, '-c', bootLine, 'passway', 'N0'], {
    input,
    env: { PATH: process.env['PATH'], ...(connection !== undefined && { SSH_CONNECTION: connection }) },
  })
}

function frame(stdout: Buffer | string) {
  const collected = createOutputFrame('N0', { onReady: () => {} })
  collected.push(Buffer.from(stdout))
  return collected.finish()
}

const allBytes = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
  '',
)

function runsWhole(t: ExecutionContext, shell: readonly string[]) {
  const text = `path\t${allBytes}\n\n* ? [a] ~ $HOME \`id\` "\n\n`
  const { stdout } = boot(shell, formatSpool(program, text), '10.0.0.1 1 10.0.0.2 22')
  const { output, status, ready, noise } = frame(stdout)
  t.deepEqual({ ready, noise, status }, { ready: true, noise: '', status: 5 })
  t.is(output.toString(), `3|${text}|10.0.0.1 1 10.0.0.2 22|N0|`)
}

function takesMuch(t: ExecutionContext, shell: readonly string[]) {
  const text = 'path\t%2Fetc%2Fdefault%2Fgrub\n'.repeat(4000)
  const { stdout } = boot(shell, formatSpool('main() { printf %s "$1"; }\nmain "$@"\n', text))
  const { output, status } = frame(stdout)
  t.is(status, 0)
  t.true(output.equals(Buffer.from(text)))
}

function refusesCut(t: ExecutionContext, shell: readonly string[]) {
  const spool = formatSpool('main() { echo RAN; }\nmain "$@"\n', 'data\t%00\n')
  for (const length of [0, 1, 10, 70, 71, 72, 80, 90, spool.length - 2, spool.length - 1]) {
    const { stdout, status } = boot(shell, spool.slice(0, length))
    t.is(status, 97, `cut at ${length}`)
    t.regex(String(stdout), /^passway-ready N0\npassway-spool-mismatch N0 (header|length|hash)\n$/)
  }
}

function refusesAltered(t: ExecutionContext, shell: readonly string[]) {
  const spool = formatSpool('main() { echo RAN; }\nmain "$@"\n', 'data\n')
  const altered = [spool.replace('RAN', 'RUN'), `${spool}x`, `${spool}\n`, spool.replace('data', 'date'), `x${spool}`]
  for (const text of altered) {
    const { stdout } = boot(shell, text)
    t.notRegex(String(stdout), /^R[AU]N$/m)
    t.truthy(frame(stdout).mismatch)
    t.is(frame(stdout).status, null)
  }
}

function givesStatus(t: ExecutionContext, shell: readonly string[]) {
  for (const [text, status] of [
    ['exit 0', 0],
    ['false', 1],
    ['exit 64', 64],
    ['trap "echo bye" EXIT; exit 3', 3],
    ['set -eu; echo "$nothing"', shell[0] === 'bash' ? 1 : 2],
    ['kill -9 "$(exec sh -c "echo \\$PPID")"', 137],
  ] as const) {
    const { stdout } = boot(shell, formatSpool(`main() { ${text}; }\nmain "$@"\n`, ''))
    t.is(frame(stdout).status, status, text)
  }
}

function keepsBytes(t: ExecutionContext, shell: readonly string[]) {
  const { stdout } = boot(
    shell,
    formatSpool('printf "a\\000\\377\\001\\n\\n"; printf "\\npassway-end other 0\\n"\n', ''),
  )
  t.deepEqual(frame(stdout).output, Buffer.from('a\0\xff\x01\n\n\npassway-end other 0\n', 'latin1'))
}

for (const name of ['dash', 'bash', 'busybox']) {
  const shell = name === 'busybox' ? ['busybox', 'sh'] : [name]
  const missing = existsSync(`/bin/${name}`) || existsSync(`/usr/bin/${name}`) ? null : `${name} is not installed`
  const shellTest = testUnless(missing)
  shellTest(`${name}: runs a whole program with its data`, runsWhole, shell)
  shellTest(`${name}: takes 100 kB of data`, takesMuch, shell)
  shellTest(`${name}: runs nothing of what was cut`, refusesCut, shell)
  shellTest(`${name}: runs nothing of what was altered`, refusesAltered, shell)
  shellTest(`${name}: gives the exit status, however the program ends`, givesStatus, shell)
  shellTest(`${name}: keeps every byte of the output`, keepsBytes, shell)
}

test('the boot line survives single quotes in any login shell', (t) => {
  t.notRegex(bootLine, /['\\!\n]/)
})

test('any cut of a spool is refused', (t) => {
  const spool = formatSpool('echo RAN\n', 'data\n')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: spool.length - 1 }), (length) => {
      t.notRegex(String(boot(['sh'], spool.slice(0, length)).stdout), /RAN/)
    }),
    { numRuns: 20 },
  )
})

test('a spool is ASCII', (t) => {
  t.throws(() => formatSpool('main', 'ä'))
  t.throws(() => formatSpool('main\x1e', ''))
  t.throws(() => formatSpool('main', '\0'))
})

test('output is framed alike however it is cut into chunks', (t) => {
  const whole = Buffer.from('motd\nno line endpassway-ready N0\none\ntwo\nthr\0ee\npassway-end N0 3\n')
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
      const lines: string[] = []
      let readies = 0
      const collected = createOutputFrame('N0', { onReady: () => (readies += 1), onLine: (line) => lines.push(line) })
      for (let at = 0, turn = 0; at < whole.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1
        collected.push(whole.subarray(at, at + size))
        at += size
      }
      const { output, status, noise } = collected.finish()
      t.deepEqual({ noise, status, readies }, { noise: 'motd\nno line end', status: 3, readies: 1 })
      t.is(output.toString(), 'one\ntwo\nthr\0ee')
      t.deepEqual(lines, ['one', 'two', 'thr\0ee'])
    }),
    { numRuns: 50 },
  )
})
