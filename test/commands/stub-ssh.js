// Stands in for ssh and for the host behind it: `FAKE_HOSTS/ADDRESS/world.json` says what that host is and what comes
// next, `FAKE_HOSTS/ADDRESS/tree` what the probe reads. The agent is not run; its verbs are answered as it answers them.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const words = process.argv.slice(2)
if (words.includes('-G') || words.includes('-O')) process.exit(0)

/** `ssh … -- ADDRESS "exec 'sh' …"`, or as `sh -c … passway NONCE` this machine itself. */
const isLocal = words[0] === '-c'
const directory = join(process.env.FAKE_HOSTS ?? '', isLocal ? 'this-machine' : (words.at(-2) ?? ''))
const place = join(directory, 'world.json')
const world = JSON.parse(readFileSync(place, 'utf8'))
const sent = /^exec 'sh' '-c' '([^]*)' 'passway' '(\w+)'$/.exec(words.at(-1) ?? '')
const [boot = '', nonce = ''] = isLocal ? [words[1], words[3]] : [sent?.[1], sent?.[2]]

function save() {
  writeFileSync(`${place}.${process.pid}`, JSON.stringify(world, null, 2))
  renameSync(`${place}.${process.pid}`, place)
}

function encode(text) {
  if (text === null || text === undefined) return '-'
  const bytes = Buffer.from(String(text), 'utf8').toString('latin1')
  const hex = (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return bytes === '' ? '%' : bytes.replaceAll(/[^A-Za-z0-9_./:@,+-]/g, hex)
}

function line(...fields) {
  process.stdout.write(`${fields.join('\t')}\n`)
}

function event(name, ...fields) {
  line('event', name, ...fields.map(encode))
}

function end(outcome, ...rest) {
  event('end', outcome, ...rest)
  process.stdout.write(`\npassway-end ${nonce} 0\n`)
  process.exit(0)
}

function refuse(code, message) {
  event('problem', 'error', code, message)
  end('refused')
}

function setState(state, reason = null) {
  world.record.state = state
  world.record.reason = reason
  save()
  event('state', state, world.record.id)
}

function blob(name, text) {
  line('blob', encode(name), Buffer.byteLength(text))
  process.stdout.write(`${text}\n`)
}

/** The host goes down; what comes of it stands in the next script. */
function depart() {
  world.coming = world.scripts.shift() ?? ['old']
  save()
}

/** One attempt to reach a host that is on its way. */
function approach() {
  const step = existsSync(join(directory, 'power')) ? 'old' : world.coming.shift()
  if (step !== 'down' && step !== 'same') {
    world.bootId = `boot-${(world.boots += 1)}`
    world.onTrial = step === 'trial' && world.record?.state === 'armed'
    if (world.onTrial) world.record.state = 'trial'
    else if (['armed', 'trial', 'confirmed'].includes(world.record?.state) && !world.limbo) revertByItself()
    world.coming = null
  }
  save()
  if (step !== 'down') return
  process.stderr.write(`ssh: connect to host ${words.at(-2)} port 22: Connection refused\n`)
  process.exit(255)
}

function revertByItself() {
  world.record.state = 'reverted'
  world.record.reason = world.reason ?? { code: 'DEADLINE', text: 'nobody confirmed the trial boot within 600 s' }
}

const verbs = {
  records() {
    const { record } = world
    if (record) {
      const live = record.state === 'staged' ? 'waiting' : 'no'
      line('record', record.id, 1, record.state, live, encode(record.reason?.code), encode(record.reason?.text))
      blob(`${record.id}/record.json`, JSON.stringify(record.document))
    }
    end('done')
  },
  status() {
    const { record } = world
    line('boot', world.bootId, '6.1.0-1-amd64')
    line('token', world.onTrial ? record.id : '-')
    const isOpen = ['staged', 'armed', 'trial', 'confirmed'].includes(record?.state)
    if (isOpen) line('open', record.id, record.state, record.state === 'trial' ? (world.secondsLeft ?? 540) : '-')
    if (record) line('last', record.id, record.state, encode(record.reason?.code), encode(record.reason?.text))
    if (record?.state === 'reverted' && world.kernelLines) blob('previous-boot', world.kernelLines.join('\n'))
    end('done')
  },
  reboot({ data }) {
    if (world.guests && !/^accept\tGUESTS_RUNNING$/m.test(data)) refuse('GUESTS_RUNNING', 'guests run on this host')
    world.told = [...(world.told ?? []), `reboot ${/^confirm-within\t(\d+)$/m.exec(data)?.[1] ?? '-'}`]
    line('boot', world.bootId, '6.1.0-1-amd64')
    if (world.record?.state === 'staged') {
      setState('armed')
      event('armed', world.record.id)
    }
    depart()
    if (world.cutsReboot) process.exit(255)
    end('done')
  },
  async apply({ data }) {
    const content = (name) => {
      const text = new RegExp(`^blob\\t${name}\\t\\w+\\t(.*)$`, 'm').exec(data)?.[1] ?? ''
      const bytes = text.replaceAll(/\\(n|t|\\|0\d{3})/g, (_, code) => {
        const short = { n: '\n', t: '\t', '\\': '\\' }[code]
        return short ?? String.fromCharCode(Number.parseInt(code.slice(1), 8))
      })
      return Buffer.from(bytes, 'latin1').toString('utf8')
    }
    if (['staged', 'armed', 'trial'].includes(world.record?.state)) refuse('RECORD_OPEN', 'a record is open')
    const document = JSON.parse(content('record\\.json'))
    world.manifest = content('manifest')
    world.record = { id: document.id, document, state: 'staged', reason: null }
    event('state', 'staged', document.id)
    if (world.fallsSilent) {
      event('step', 1, 1, 'driver', '0000:01:00.0')
      save()
      await pause(100_000)
    }
    if (world.watch) await waitForKeep(document.id)
    if (/^trial\t/m.test(world.manifest)) {
      save()
      end('staged', document.id)
    }
    setState('committed')
    end('committed', document.id)
  },
  keep() {
    writeFileSync(join(directory, 'keep'), '')
    end('done')
  },
  recover() {
    if (world.limbo && !world.onTrial && world.record.state !== 'staged') {
      world.limbo = false
      revertByItself()
      save()
    }
    end('done')
  },
  confirm() {
    const how = world.confirm ?? 'done'
    if (how === 'late') {
      revertByItself()
      depart()
      refuse('NOT_IN_TRIAL', `the time to confirm record ${world.record.id} is over`)
    }
    if (how === 'aborted') {
      world.record.state = 'reverted'
      world.record.reason = { code: 'ABORTED', text: 'somebody took it back' }
      save()
      refuse('NOT_IN_TRIAL', `record ${world.record.id} is reverted`)
    }
    if (how === 'cut-fails') {
      world.record.state = 'reverted'
      world.record.reason = { code: 'COMMIT_FAILED', text: 'what was tried could not be made the default' }
      save()
      process.exit(255)
    }
    if (how === 'fails') {
      event('problem', 'error', 'TRIAL_DIFFERS', 'the new image does not hold what the tried one held')
      setState('reverted', { code: 'COMMIT_FAILED', text: 'what was tried could not be made the default' })
      end('reverted', world.record.id)
    }
    world.record.state = 'committed'
    world.onTrial = world.onTrial && how !== 'other'
    save()
    if (how === 'cut') process.exit(255)
    event('state', 'committed', world.record.id)
    event('regenerated', 'initramfs')
    end('committed', world.record.id)
  },
  async watch() {
    if (world.fallsSilent) {
      event('state', 'staged', world.record.id)
      event('step', 1, 1, 'driver', '0000:01:00.0')
      await waitForKeep(world.record.id)
      world.record.state = 'committed'
    }
    event('state', world.record.state, world.record.id)
    end(world.record.state, world.record.id)
  },
  rollback() {
    setState('reverted', { code: 'ABORTED', text: 'tester took it back' })
    end('reverted', world.record.id)
  },
  read() {
    line('record', world.record.id, 1, world.record.state, world.record.state === 'staged' ? 'waiting' : 'no')
    blob(`${world.record.id}/record.json`, JSON.stringify(world.record.document))
    blob(`${world.record.id}/manifest`, world.manifest ?? 'passway\t1\tID\ntrial\t6.1\nregenerate\tinitramfs\n')
    end('done')
  },
}

/** What was changed may have cut the network: the host waits for a new connection, then takes it back. */
async function waitForKeep(id) {
  if (world.cutsNetwork) world.coming = Array.from({ length: 500 }, () => 'down')
  save()
  event('waiting', world.watch)
  for (const limit = Date.now() + world.watch * 1000; Date.now() < limit; await pause(20))
    if (existsSync(join(directory, 'keep'))) return
  event('problem', 'error', 'UNREACHED', 'no new connection reached the host')
  setState('reverted', { code: 'UNREACHED', text: 'no new connection reached the host' })
  end('reverted', id)
}

/** The real probe, on the tree as this boot left it. */
function probe(program, data) {
  const { onTrial, record } = world
  const predicted = record?.document?.nextBoot?.kernelCommandLine
  const isNew = onTrial || record?.state === 'committed'
  const isOther = world.differs === true || (onTrial && world.differs > 0)
  if (onTrial && world.differs !== true) world.differs -= 1
  save()
  const commandLine = isNew && !isOther && predicted ? predicted : world.commandLine
  const token = onTrial ? ` passway.txn=${record.id} panic=30` : ''
  writeFileSync(join(directory, 'tree/proc/cmdline'), `${commandLine}${token}\n`)
  const body = `${program}\x1e${data.replace(/^root\t.*$/m, `root\t${join(directory, 'tree')}`)}`
  const hash = createHash('sha256').update(`\x1e${body}`, 'latin1').digest('hex')
  const input = `\x1e ${body.length} ${hash}\n${body}`
  const ended = spawnSync('/bin/sh', ['-c', boot, 'passway', nonce], { input, encoding: 'latin1', maxBuffer: 1 << 26 })
  const text = ended.stdout.replace(`passway-ready ${nonce}\n`, '')
  writeFileSync(1, Buffer.from(text, 'latin1'))
  process.exit(0)
}

if (world.coming) approach()
process.stdout.write(`passway-ready ${nonce}\n`)
const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const spool = Buffer.concat(chunks).toString('latin1')
const body = spool.slice(spool.indexOf('\n') + 1)
const [program = '', data = ''] = body.split('\x1e')
const verb = /^verb\t(\w+)$/m.exec(data)?.[1]
appendFileSync(join(directory, 'log'), `${verb ?? (program.includes('boot_id; }') ? 'login' : 'probe')}\n`)
if (verb !== undefined) {
  await verbs[verb]({ data })
} else if (program.includes('read_records')) probe(program, data)
else {
  process.stdout.write(`${world.bootId}\n\npassway-end ${nonce} 0\n`)
}
if (!existsSync(place)) process.exit(1)
