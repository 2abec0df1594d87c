import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Change } from '../../src/core/change.ts'
import { applyPlan } from '../../src/host/execute.ts'
import { readRecords } from '../../src/host/read-records.ts'
import { planRollback, rollbackRecord, type RollbackRequest } from '../../src/host/rollback.ts'
import {
  applyOptions,
  change,
  callFor,
  file,
  isRoot,
  localHost,
  makeHost,
  nextId,
  planOf,
  readHost,
  runUnder,
} from './agent-hosts.ts'
import { testUnless } from './skip.ts'

const test = testUnless(isRoot ? null : 'needs root')
const by = 'tester@controller'

const lines = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
const text = (words: readonly string[]): string => words.map((word) => `${word}\n`).join('')

async function apply(t: ExecutionContext, root: string, changes: readonly Change[]): Promise<string> {
  const id = nextId()
  const result = await applyPlan(localHost(root), planOf(changes), applyOptions(id))
  t.is(result.outcome, 'committed', JSON.stringify(result.diagnostics))
  t.is(result.record, id)
  t.is(result.state, 'committed')
  return id
}

async function rollBack(root: string, more: Partial<RollbackRequest> = {}) {
  const request = { by, ...more }
  const plan = await planRollback(localHost(root), request)
  const result = await rollbackRecord(localHost(root), plan, request)
  return { plan, result, codes: result.diagnostics.map((diagnostic) => diagnostic.code) }
}

function read(root: string, path: string): string {
  return readFileSync(join(root, path), 'latin1')
}

/** A record that changes the line `five` of /etc/a. */
async function makeEdited(t: ExecutionContext): Promise<string> {
  const root = makeHost(t, `file 0644 0:0 /etc/a\n${lines.map((line) => `|${line}\n`).join('')}`)
  await apply(t, root, [change('file', '/etc/a', file(text(lines)), file(text(lines.with(4, 'FIVE'))))])
  return root
}

test('shows the way back before going it', async (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\n')
  const before = readHost(root)
  const id = await apply(t, root, [
    change('file', '/etc/a', file('1\n'), file('2\n', 0o600)),
    change('link', '/etc/b', null, { to: 'a' }),
  ])
  const { plan, result } = await rollBack(root)
  t.deepEqual(
    plan.records.map((record) => record.id),
    [id],
  )
  t.deepEqual(plan.diagnostics, [])
  t.deepEqual(
    plan.changes.map(({ kind, target, before, after }) => ({ kind, target, before, after })),
    [
      { kind: 'link', target: '/etc/b', before: { to: 'a' }, after: null },
      { kind: 'file', target: '/etc/a', before: file('2\n', 0o600), after: file('1\n') },
    ],
  )
  t.is(result.outcome, 'reverted')
  t.is(result.state, 'reverted')
  t.deepEqual(readHost(root), before)
  const again = await planRollback(localHost(root), { by })
  t.deepEqual(
    again.diagnostics.map((diagnostic) => diagnostic.code),
    ['RECORD_UNKNOWN'],
  )
})

test('what someone changed elsewhere in the file stays, and is said', async (t) => {
  const root = await makeEdited(t)
  writeFileSync(join(root, 'etc/a'), text(['zero', ...lines.with(4, 'FIVE').with(8, 'NINE')]))
  const { plan, result } = await rollBack(root)
  t.deepEqual(
    plan.diagnostics.map((diagnostic) => diagnostic.code),
    ['EDITS_KEPT'],
  )
  t.is(result.outcome, 'reverted', JSON.stringify(result.diagnostics))
  t.is(read(root, 'etc/a'), text(['zero', ...lines.with(8, 'NINE')]))
})

test('what someone changed inside of it is refused, and replaced only by force', async (t) => {
  const root = await makeEdited(t)
  const edited = text(lines.with(4, 'Five!'))
  writeFileSync(join(root, 'etc/a'), edited)
  const refused = await rollBack(root)
  t.deepEqual(
    refused.plan.diagnostics.map((diagnostic) => diagnostic.code),
    ['CHANGED_SINCE'],
  )
  t.is(refused.result.outcome, 'refused')
  t.deepEqual(refused.codes, ['CHANGED_SINCE'])
  t.is(read(root, 'etc/a'), edited)

  const forced = await rollBack(root, { force: true })
  t.is(forced.result.outcome, 'reverted', JSON.stringify(forced.result.diagnostics))
  t.is(read(root, 'etc/a'), text(lines))
  const found = spawnSync('sh', ['-c', `cat ${root}/var/lib/passway/records/*/found/*`], { encoding: 'latin1' }).stdout
  t.is(found, edited)
})

test('the agent alone refuses a file that was changed, wherever', async (t) => {
  const root = await makeEdited(t)
  writeFileSync(join(root, 'etc/a'), text(['zero', ...lines.with(4, 'FIVE')]))
  const run = runUnder('sh', callFor({ verb: 'rollback', root }))
  t.is(run.outcome, 'refused')
  t.deepEqual(run.codes, ['CHANGED_SINCE'])
})

test('a merge counts only for the bytes that it was made from', async (t) => {
  const root = await makeEdited(t)
  writeFileSync(join(root, 'etc/a'), text(['zero', ...lines.with(4, 'FIVE')]))
  const plan = await planRollback(localHost(root), { by })
  writeFileSync(join(root, 'etc/a'), text(['null', ...lines.with(4, 'FIVE')]))
  const result = await rollbackRecord(localHost(root), plan, { by })
  t.is(result.outcome, 'refused')
  t.is(read(root, 'etc/a'), text(['null', ...lines.with(4, 'FIVE')]))
})

test('lines that someone added to a file of ours stay when ours go', async (t) => {
  const root = makeHost(t, '')
  await apply(t, root, [change('file', '/etc/ours', null, file('a\nb\n'))])
  writeFileSync(join(root, 'etc/ours'), 'a\nb\ntheirs\n')
  const { result } = await rollBack(root)
  t.is(result.outcome, 'reverted', JSON.stringify(result.diagnostics))
  t.is(read(root, 'etc/ours'), 'theirs\n')
})

test('a mode that someone set since is a change of theirs', async (t) => {
  const root = await makeEdited(t)
  chmodSync(join(root, 'etc/a'), 0o600)
  const { result } = await rollBack(root)
  t.is(result.outcome, 'reverted', JSON.stringify(result.diagnostics))
  t.is(read(root, 'etc/a'), text(lines))
  t.is(
    readHost(root).find((entry) => entry.path === '/etc/a')?.type === 'file'
      ? spawnSync('stat', ['-c', '%a', join(root, 'etc/a')], { encoding: 'utf8' }).stdout
      : '',
    '600\n',
  )
})

test('an older record waits for the newer ones, or takes them along', async (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\n')
  const before = readHost(root)
  const first = await apply(t, root, [change('file', '/etc/a', file('1\n'), file('2\n'))])
  const second = await apply(t, root, [
    change('file', '/etc/a', file('2\n'), file('3\n')),
    change('file', '/etc/b', null, file('1\n')),
  ])
  const refused = await rollBack(root, { record: first })
  t.is(refused.result.outcome, 'refused')
  t.deepEqual(refused.codes, ['NEWER_RECORDS'])
  t.true(refused.plan.diagnostics[0]?.evidence?.[0]?.startsWith(second))
  t.is(read(root, 'etc/a'), '3\n')

  const taken = await rollBack(root, { record: first, through: true })
  t.is(taken.result.outcome, 'reverted', JSON.stringify(taken.result.diagnostics))
  t.deepEqual(
    taken.plan.changes.map(({ target, before, after }) => [target, before === null, after === null]),
    [
      ['/etc/b', false, true],
      ['/etc/a', false, false],
    ],
  )
  t.deepEqual(readHost(root), before)
  const { records } = await readRecords(localHost(root), { by })
  t.deepEqual(
    records.map((record) => [record.id, record.seq, record.state]),
    [
      [first, 1, 'reverted'],
      [second, 2, 'reverted'],
    ],
  )
})

test('records carry what was applied, by whom and from where', async (t) => {
  const root = makeHost(t, '')
  const id = await apply(t, root, [change('file', '/etc/secret', null, file('hidden\n', 0o600))])
  const { records, reached } = await readRecords(localHost(root), { by })
  t.true(reached)
  t.is(records[0]?.document?.by, by)
  t.deepEqual(records[0]?.document?.playbooks, ['site.yaml'])
  t.false(JSON.stringify(records[0]?.document?.changes).includes('hidden'))
  t.is(records[0]?.id, id)
})

test('from a rescue shell, with nothing but the state directory', async (t) => {
  const root = makeHost(t, 'file 0644 0:0 /etc/a\n|1\n')
  const before = readHost(root)
  const id = await apply(t, root, [change('file', '/etc/a', file('1\n'), file('2\n'))])
  const agent = join(root, 'var/lib/passway/agent.sh')
  for (const shell of [['dash'], ['bash'], ['busybox', 'sh']]) {
    const listed = spawnSync(shell[0] ?? '', [...shell.slice(1), agent, 'records', '--root', root], {
      encoding: 'utf8',
    })
    t.is(listed.stdout, `1 ${id} committed\n`)
  }
  const done = spawnSync('sh', [agent, 'rollback', id, '--root', root], { encoding: 'utf8' })
  t.is(done.status, 0, done.stdout)
  t.regex(done.stdout, /^passway: state reverted /m)
  t.deepEqual(readHost(root), before)
  t.is(
    spawnSync('sh', [agent, 'rollback', '--root', root], { encoding: 'utf8' }).stdout,
    'passway: there is no record that is not reverted\n',
  )
  t.is(spawnSync('sh', [agent, 'rollback', '../x', '--root', root], { encoding: 'utf8' }).status, 1)
})

test('nothing is left beside the targets', async (t) => {
  const root = await makeEdited(t)
  await rollBack(root)
  t.deepEqual(readdirSync(join(root, 'etc')), ['a'])
  rmSync(root, { recursive: true })
})
