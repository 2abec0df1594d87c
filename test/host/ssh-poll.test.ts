import { readFileSync } from 'node:fs'
import { waitForBoot, type BootTry } from '../../src/host/poll-host.ts'
import { runProgram } from '../../src/host/run-program.ts'
import { closeMaster, closeMasters } from '../../src/host/ssh-master.ts'
import { testUnless } from './skip.ts'
import { addressOf, findFreePort, findSshdObstacle, startSshd, type TestSshd } from './sshd.ts'

const test = testUnless(findSshdObstacle())
const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

let server: TestSshd

test.before(async () => {
  server = await startSshd()
})

test.after.always(async () => {
  await closeMasters()
  await server?.stop()
})

test('back with another boot id', async (t) => {
  const tries: BootTry[] = []
  const end = await waitForBoot(addressOf(server), {
    previousBootId: 'another',
    deadlineMs: 20_000,
    intervalMs: 50,
    onTry: (attempt) => tries.push(attempt),
  })
  t.like(end, { ok: true, bootId })
  t.deepEqual(
    tries.map(({ state }) => state),
    ['new'],
  )
})

test('the same boot is not back', async (t) => {
  const tries: BootTry[] = []
  const wait = { previousBootId: `${bootId}\n`, deadlineMs: 4000, intervalMs: 50 }
  const end = await waitForBoot(addressOf(server), { ...wait, onTry: (attempt) => tries.push(attempt) })
  t.like(end, { ok: false, diagnostic: { code: 'REBOOT_NOT_BEGUN' } })
  t.true(tries.length > 0)
  t.true(tries.every(({ state }) => state === 'old'))
})

test('down until the deadline', async (t) => {
  const host = addressOf(server, { port: await findFreePort() })
  const end = await waitForBoot(host, { previousBootId: bootId, deadlineMs: 500, intervalMs: 50 })
  t.like(end, { ok: false, diagnostic: { code: 'HOST_NOT_BACK' }, last: { state: 'down' } })
  t.regex(JSON.stringify(end), /Connection refused/)
})

test('tries are five seconds apart at least', async (t) => {
  const start = Date.now()
  const tries: number[] = []
  await waitForBoot(addressOf(server), {
    previousBootId: bootId,
    deadlineMs: 6000,
    onTry: () => tries.push(Date.now() - start),
  })
  t.is(tries.length, 1)
  t.true((tries[0] ?? 0) >= 5000)
})

test('waiting ends when told so', async (t) => {
  const end = await waitForBoot(addressOf(server), {
    previousBootId: '',
    deadlineMs: 60_000,
    signal: AbortSignal.timeout(100),
  })
  t.like(end, { ok: false, diagnostic: { code: 'CANCELLED' } })
})

const hello = { program: 'main() { echo hello; exit 7; }\nmain "$@"\n', data: '', master: true }

function countLogins(): number {
  return server.readLog().split('Accepted publickey').length - 1
}

test.serial('a master is shared, closed, and made anew', async (t) => {
  const host = addressOf(server, { commonArgs: [...server.commonArgs, '-o', 'ServerAliveInterval=7'] })
  const before = countLogins()
  for (let n = 0; n < 3; n += 1) {
    const end = await runProgram(host, hello)
    t.like(end, { ok: true, status: 7 })
    t.is(end.ok && end.output.toString(), 'hello\n')
  }
  t.is(countLogins(), before + 1)
  await closeMaster(host)
  await closeMaster(host)
  t.like(await runProgram(host, hello), { ok: true, status: 7 })
  t.is(countLogins(), before + 2)
})

test.serial('a failure with a master is told apart like any other', async (t) => {
  const host = addressOf(server, { port: await findFreePort() })
  t.like(await runProgram(host, hello), { ok: false, reached: false, diagnostic: { code: 'CONNECTION_REFUSED' } })
})
