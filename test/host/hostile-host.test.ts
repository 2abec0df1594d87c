import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'
import { runConfirm } from '../../src/commands/confirm.ts'
import { findCopies, keepCopies } from '../../src/commands/record-copies.ts'
import { runReboot } from '../../src/commands/reboot.ts'
import { runRecords } from '../../src/commands/records.ts'
import { runRollback } from '../../src/commands/rollback.ts'
import type { HostAddress } from '../../src/core/host-address.ts'
import { parseOwnedClaims } from '../../src/core/parse-owned-claims.ts'
import { encodeText } from '../../src/host/fields.ts'
import { parseFrames } from '../../src/host/read-records.ts'
import { runProgram, type ProgramEnd } from '../../src/host/run-program.ts'
import { findDocument } from '../../src/host/told-record.ts'
import { runCommand } from '../commands/fake-host.ts'
import { findControl, hostileMixtures, hostileTexts, setCanary } from './hostile-strings.ts'

const directory = mkdtempSync(join(tmpdir(), 'passway-hostile-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

/** A host that does what `answer` does, once it was asked for a shell; `$nonce` is that of the connection. */
const stub = `#!/bin/sh
case " $* " in *' -G '* | *' -O '*) exit 0 ;; esac
for last; do :; done
nonce=\${last##* \\'}
nonce=\${nonce%\\'}
. '${directory}/answer'
`
mkdirSync(join(directory, 'bin'))
writeFileSync(join(directory, 'bin/ssh'), stub, { mode: 0o755 })
process.env['PATH'] = `${join(directory, 'bin')}${delimiter}${process.env['PATH']}`
process.env['XDG_STATE_HOME'] = join(directory, 'state')

const host: HostAddress = { name: 'box', connection: 'ssh', address: 'box', become: false, root: null }

function setAnswer(script: string): void {
  writeFileSync(join(directory, 'answer'), script)
}

/** The host prints exactly this for every program, and says that all went well. */
function setOutput(text: string): void {
  writeFileSync(join(directory, 'output'), text, 'latin1')
  setAnswer(`printf 'passway-ready %s\\n' "$nonce"; cat >/dev/null
cat '${directory}/output'; printf '\\npassway-end %s 0\\n' "$nonce"\n`)
}

const ready = `printf 'passway-ready %s\\n' "$nonce"\n`
const limits: readonly {
  readonly name: string
  readonly script: string
  readonly code: string
  readonly silenceMs?: number
}[] = [
  { name: 'endless output', script: `${ready} exec cat /dev/zero`, code: 'OUTPUT_TOO_LONG' },
  { name: 'endless lines', script: `${ready} exec yes event`, code: 'OUTPUT_TOO_LONG' },
  { name: 'silence', script: `${ready} exec sleep 60`, code: 'HOST_TIMEOUT', silenceMs: 300 },
  { name: 'silence after a word', script: `${ready} echo; exec sleep 60`, code: 'HOST_TIMEOUT', silenceMs: 300 },
  { name: 'standard error without end', script: 'yes >&2 & sleep 1; kill $!; exit 1', code: 'SHELL_UNSUPPORTED' },
]
for (const { name, script, code, silenceMs } of limits) {
  test.serial(`what a host can send is bounded: ${name}`, async (t) => {
    setAnswer(script)
    const before = process.memoryUsage().rss
    const end: ProgramEnd = await runProgram(host, {
      program: 'main() { :; }\nmain "$@"\n',
      data: '',
      onLine: () => {},
      ...(silenceMs !== undefined && { silenceMs }),
    })
    t.is(end.ok ? 'ok' : end.diagnostic.code, code)
    t.true(process.memoryUsage().rss - before < 600 * 1024 * 1024)
  })
}

test.serial('a host that never becomes ready is given up, whatever it prints', async (t) => {
  setAnswer('exec yes noise')
  const end = await runProgram(host, { program: 'main() { :; }\nmain "$@"\n', data: '', readyTimeoutMs: 500 })
  t.is(end.ok ? 'ok' : end.diagnostic.code, 'HOST_TIMEOUT')
  t.true(end.ok || JSON.stringify(end.diagnostic).length < 100_000)
})

test.serial('a line that is no event of ours is skipped, those after it are heard', async (t) => {
  setAnswer(`${ready} cat >/dev/null; head -c 3000000 /dev/zero | tr '\\0' x; printf '\\nevent\\tend\\n\\n'
printf '\\npassway-end %s 0\\n' "$nonce"`)
  const lines: string[] = []
  const end = await runProgram(host, {
    program: 'main() { :; }\nmain "$@"\n',
    data: '',
    onLine: (line) => lines.push(line),
  })
  t.true(end.ok)
  t.deepEqual(
    lines.filter((line) => line !== ''),
    ['event\tend'],
  )
})

const ids = [
  '../../../../tmp/x',
  '/etc/passwd',
  'a\0b',
  'x'.repeat(100_000),
  '..',
  '.',
  '',
  '-rf',
  'a/b',
  '__proto__ ',
  '\x1b[2J',
]

test.serial('what a host says of its records becomes no path of the controller', (t) => {
  const place = join(directory, 'state/passway/records')
  for (const id of ids) {
    const { records } = parseFrames(Buffer.from(`record\t${encodeText(id)}\t1\tcommitted\tno\t-\t-\n`))
    t.deepEqual(records, [], id.slice(0, 50))
    keepCopies(id, [{ id, seq: 1, state: 'committed', document: null }])
    t.deepEqual(findCopies(id), [], id.slice(0, 50))
  }
  for (const name of readdirSync(place)) t.regex(name, /^[0-9a-f]{32}\.json$/)
  t.deepEqual(readdirSync(join(directory, 'state')), ['passway'])
})

test.serial('a link in the place of a copy is replaced, and nothing is written through it', (t) => {
  const place = join(directory, 'state/passway/records')
  const record = { id: '20261121T081500Z-7f3a9c', seq: 1, state: 'committed', document: null } as const
  keepCopies('linked', [record])
  const victim = join(directory, 'victim')
  writeFileSync(victim, 'as it was')
  for (const name of readdirSync(place)) {
    rmSync(join(place, name))
    symlinkSync(victim, join(place, name))
    symlinkSync(victim, join(place, `${name}.${process.pid}`))
  }
  keepCopies('linked', [record])
  t.is(readFileSync(victim, 'utf8'), 'as it was')
  t.deepEqual(findCopies('linked'), [record])
  rmSync(place, { recursive: true })
  keepCopies('huge', [{ ...record, reason: { code: 'X', text: 'x'.repeat(20_000_000) } }])
  t.deepEqual(findCopies('huge'), [])
})

test('a blob of any size ends the reading', (t) => {
  for (const size of ['-1000', '-1', 'NaN', '1e99', '99999999999999999999', '', '0x10', 'Infinity']) {
    const output = Buffer.from(`record\tid-1\t1\tcommitted\tno\nblob\tid-1/x\t${size}\nrest\n`)
    t.is(parseFrames(output).records.length, 1, size)
  }
})

/** Values that JSON can hold, some of them where ours would be. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1, 1e99, '', 'x', '\x1b[2J', '__proto__', 'driver', 'file'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'want',
        'of',
        'device',
        'address',
        'claims',
        'drivers',
        'entry',
        'next',
        'modules',
        'uncertain',
        'x',
      ),
      tie('value'),
    ),
  ),
})).value

const document = {
  format: 1,
  id: 'r',
  tool: 'passway',
  created: '2026-11-21T08:15:00Z',
  by: 'x@y',
  playbooks: ['p'],
  tasks: [],
  accepted: [],
  claims: [],
  changes: [],
  regenerate: [],
  reboot: 'needed',
  rescue: [],
  trial: null,
  nextBoot: null,
}

test('a record.json of any shape is understood or left out', (t) => {
  const field = fc.constantFrom(...Object.keys(document))
  fc.assert(
    fc.property(field, json, (name, value) => {
      const found = findDocument(JSON.stringify({ ...document, [name]: value }))
      if (found === null) return
      t.true([found.created, found.by, ...found.playbooks, ...found.rescue].every((text) => typeof text === 'string'))
      t.true(found.nextBoot === null || typeof found.nextBoot === 'object')
    }),
    { numRuns: 500 },
  )
  t.truthy(findDocument(JSON.stringify(document)))
  for (const text of ['', '{', 'null', '[]', '1', '"x"', '{"format":1}']) t.is(findDocument(text), null)
})

test('claims of any shape are understood or left out', (t) => {
  const whole = { address: '0000:01:00.0', id: '10de:1c82', subsystem: null, serial: null, slotPath: '0000:00/01.0' }
  const claims = [{ want: 'present', of: 'driver', device: whole, driver: null, live: false }]
  t.deepEqual(parseOwnedClaims(JSON.stringify({ claims })), claims as never)
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify({ claims: [value, { want: 'present', of: 'driver', device: value, driver: null }] })
      for (const claim of parseOwnedClaims(text)) if (claim.of === 'driver') t.is(typeof claim.device.address, 'string')
    }),
    { numRuns: 500 },
  )
})

const commands = [runRecords, runReboot, runConfirm, runRollback] as const
const states = ['committed', 'staged', 'trial', 'armed', 'confirmed', 'reverted', 'constructor']
const outcomes = ['done', 'staged', 'committed', 'refused', 'failed', 'reverted', 'constructor', '__proto__']

/** An answer that fits any verb, with hostile texts in every place that a host can fill. */
function formatAnswer(texts: readonly string[], at: number): string {
  const text = (index: number): string => encodeText(texts[(at + index) % texts.length] ?? '')
  const id = '20261121T081500Z-7f3a9c'
  const state = states[at % states.length]
  const words = texts[(at + 3) % texts.length] ?? ''
  const told = { ...document, id: words, by: words, playbooks: [words], created: words, rescue: [words] }
  const record = JSON.stringify(at % 3 === 0 ? { ...told, trial: words, nextBoot: { entry: words } } : told)
  const blob = (name: string, content: string): string =>
    `blob\t${encodeText(name)}\t${Buffer.byteLength(content)}\n${Buffer.from(content).toString('latin1')}`
  const kind = ['file', 'link', 'unit', 'driver', 'directory', 'boot-arguments', 'constructor'][at % 7]
  return [
    `boot\t${text(0)}\t${text(1)}`,
    `token\t${at % 2 === 0 ? id : text(2)}`,
    `open\t${at % 2 === 0 ? id : text(3)}\t${state}\t${text(4)}`,
    `last\t${at % 2 === 0 ? id : text(5)}\t${state}\t${text(6)}\t${text(7)}`,
    blob('previous-boot', words),
    `record\t${id}\t${text(9)}\t${state}\tno\t${text(10)}\t${text(11)}`,
    `record\t${text(12)}\t1\t${text(13)}\t${text(14)}`,
    `record\t${id}x\t1\t${text(13)}\tno\t${text(14)}\t${text(15)}`,
    blob(`${id}/record.json`, record),
    blob(`${id}/manifest`, `op\t1\t${kind}\t${text(15)}\t${text(16)}\t0644:0:0:x\nregenerate\t${text(17)}\n`),
    blob(`${id}/before/1`, words),
    blob(`${id}/after/1`, words),
    `now\t${id}\t1\t${text(18)}`,
    `event\tproblem\t${text(19)}\t${text(20)}\t${text(21)}\t${text(22)}`,
    `event\tproblem\terror\tconstructor\t${text(23)}`,
    `event\tnote\t${text(24)}`,
    `event\tbuilding\t${text(25)}`,
    `event\tregenerate\tconstructor`,
    `event\tleft-to-do\tconstructor`,
    `event\tarmed\t${text(26)}`,
    `event\tstate\t${text(27)}\t${text(28)}`,
    `event\tend\t${outcomes[at % outcomes.length]}\t${text(29)}`,
    '',
  ].join('\n')
}

async function assertTold(t: ExecutionContext, texts: readonly string[], at: number): Promise<boolean> {
  let isEscaped = false
  setOutput(formatAnswer(texts, at))
  const command = commands[at % commands.length] ?? runRecords
  const aborted = AbortSignal.timeout(2000)
  for (const isJson of [false, true]) {
    const options = { inventory: ['box,'], json: isJson, yes: true, rebootTimeout: 1, verbose: true }
    const run = await runCommand({ ...t, log: () => {} } as ExecutionContext, command, { ...options, signal: aborted })
    t.is(findControl(run.stdout + run.stderr), null, `${command.name} ${at}`)
    isEscaped ||= /\\x1b|\\u001b/.test(run.stdout + run.stderr)
  }
  return isEscaped
}

test.serial('hostile texts from a host are shown escaped, and end no command', async (t) => {
  const canary = setCanary(t)
  const short = hostileTexts(`touch ${canary.path}`).filter((text) => text.length < 1000)
  let escaped = 0
  for (let at = 0; at < 28; at += 1) await assertTold(t, short, at)
  const escapes = short.filter((text) => text.includes('\x1b'))
  for (let at = 0; at < 28; at += 1) escaped += Number(await assertTold(t, escapes, at))
  t.true(escaped > 20, `${escaped} of 28 answers show an escape`)
  await fc.assert(
    fc.asyncProperty(
      fc.array(hostileMixtures(`touch ${canary.path}`), { minLength: 30, maxLength: 30 }),
      fc.nat({ max: 100 }),
      async (texts, at) => void (await assertTold(t, texts, at)),
    ),
    { numRuns: 20 },
  )
  t.false(canary.wasTouched())
})
