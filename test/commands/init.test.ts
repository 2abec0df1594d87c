import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { formatInventory, formatPlaybook } from '../../src/commands/init-files.ts'
import { describeOffer } from '../../src/commands/offer-text.ts'
import { listOffers } from '../../src/pci/offers.ts'
import { makeSnapshot } from '../modules/make-snapshot.ts'
import { runCli } from './run-cli.ts'

const host = {
  name: 'pve1',
  connection: 'ssh',
  address: '10.0.0.5',
  user: 'root',
  port: 2222,
  become: false,
  root: null,
} as const

test('without a terminal it says what to write', async (t) => {
  const { code, stderr, stdout } = await runCli(['init', '-i', 'root@pve1,'])
  t.is(code, 64)
  t.is(stdout, '')
  t.regex(stderr, /inventory\.yaml:\n.*\n.*\n.*pve1:[^]*passthrough:/)
})

test('an inventory reaches the host in the same way, and holds no password', (t) => {
  const text = formatInventory({ ...host, commonArgs: ['-o', 'ProxyCommand=ssh a -W %h:%p'], becomePassword: 'secret' })
  t.deepEqual(parse(text), {
    all: {
      hosts: {
        pve1: {
          ansible_host: '10.0.0.5',
          ansible_port: 2222,
          ansible_user: 'root',
          ansible_ssh_common_args: "-o 'ProxyCommand=ssh a -W %h:%p'",
        },
      },
    },
  })
  t.false(text.includes('secret'))
})

test('what is chosen passes lint', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'passway-init-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const snapshot = makeSnapshot('amd')
  const chosen = listOffers(snapshot).map(({ functions, companions }) => ({
    title: functions[0]?.address ?? '',
    functions,
    isWhole: companions.length > 0,
    accept: { HOST_DEPENDS: 'a lab: "mine" #1' },
  }))
  t.true(chosen.length >= 5)
  writeFileSync(join(directory, 'inventory.yaml'), formatInventory(host))
  writeFileSync(join(directory, 'playbook.yaml'), formatPlaybook(host.name, chosen))
  const paths = [join(directory, 'playbook.yaml'), '-i', join(directory, 'inventory.yaml')]
  const { code, stdout, stderr } = await runCli(['lint', ...paths])
  t.is(code, 0, stderr)
  t.regex(stdout, /1 play, \d+ tasks, 1 host: no errors/)
})

test('offers say what comes along and what speaks against it', (t) => {
  const snapshot = makeSnapshot('amd', {
    pci: { '0000:2c:00.3': { hasReset: false } },
    hardware: { vfioHolders: [{ group: 20, address: null, pid: 7, command: 'qemu' }] },
  })
  const lines = listOffers(snapshot).map((offer) => describeOffer(snapshot, offer))
  const find = (address: string) => lines.find(({ text }) => text.startsWith(address))
  t.is(find('0000:2b:00.0')?.text, '0000:2b:00.0  VGA controller 10de:1c82 · group 16 · with 2b:00.1 · free')
  t.regex(find('0000:2c:00.0')?.text ?? find('0000:2c:00.3')?.text ?? '', /at a risk: RESET_MISSING$/)
  t.deepEqual(find('0000:20:00.0')?.isFree, false)
  t.false(lines.some(({ text }) => /bridge/.test(text)))
})
