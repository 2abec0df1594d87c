import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { runApply } from '../../src/commands/apply.ts'
import { runPlan } from '../../src/commands/plan.ts'
import { runRecords } from '../../src/commands/records.ts'
import { runRollback } from '../../src/commands/rollback.ts'
import { demoTree, makeTree } from '../host-trees/open-tree.ts'
import { testUnless } from '../host/skip.ts'
import { runCommand } from './fake-host.ts'

const test = testUnless(process.getuid?.() === 0 ? null : 'needs root')

const secrets = ['s3cret-of-the-command-line', 's3cret-of-a-private-file', 's3cret-of-the-inventory'] as const
const [ofCommandLine, ofFile, ofInventory] = secrets

/** A host with secrets in what its changes touch. */
function makeHost(t: ExecutionContext): { readonly root: string; readonly directory: string } {
  const directory = makeTree(t, 'dir 0755 0:0 /state\n')
  const root = makeTree(t, demoTree)
  const grub = join(root, 'etc/default/grub')
  const argument = `rd.iscsi.password=${ofCommandLine}`
  const line = `GRUB_CMDLINE_LINUX="${argument}"`
  writeFileSync(grub, readFileSync(grub, 'utf8').replace('GRUB_CMDLINE_LINUX=""', line))
  const cfg = join(root, 'boot/grub/grub.cfg')
  writeFileSync(cfg, readFileSync(cfg, 'utf8').replaceAll(/^(\s+linux\s.*)$/gm, `$1 ${argument}`))
  const commandLine = join(root, 'proc/cmdline')
  writeFileSync(commandLine, `${readFileSync(commandLine, 'utf8').trim()} ${argument}\n`)
  const irqbalance = join(root, 'etc/default/irqbalance')
  writeFileSync(
    irqbalance,
    `# ${ofFile}
${readFileSync(irqbalance, 'utf8')}`,
  )
  chmodSync(irqbalance, 0o600)
  writeFileSync(join(directory, 'playbook.yaml'), playbook)
  writeFileSync(
    join(directory, 'inventory.yaml'),
    JSON.stringify({
      all: {
        hosts: { box: { ansible_connection: 'local', passway_root: root, ansible_become_password: ofInventory } },
      },
    }),
  )
  return { root, directory }
}

const playbook = `- hosts: all
  tasks:
    - name: one more argument
      kernel_cmdline: { present: [panic=17] }
    - name: a line in a private file
      irqbalance: { state: enabled, banned_cpus: "2-3" }
`

/**
 * What is not below before/ and after/, which hold files as they are, and no manifest, which says what the new grub.cfg
 * must say: both are root's alone, on the host whose files say the same.
 */
function readAll(directory: string): string {
  if (!existsSync(directory)) return ''
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'manifest' && !/\/(before|after)$/.test(entry.parentPath))
    .map((entry) => `${entry.name}\n${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n')
}

function assertNone(t: ExecutionContext, text: string, about: string): void {
  for (const secret of secrets)
    t.false(
      text.includes(secret),
      `${about} shows ${secret}: ${text.slice(Math.max(0, text.indexOf(secret) - 400)).slice(0, 500)}`,
    )
}

test('no secret of a host or an inventory is shown, saved in a plan, or kept in a record', async (t) => {
  const { root, directory } = makeHost(t)
  process.env['XDG_STATE_HOME'] = join(directory, 'state')
  const args = [join(directory, 'playbook.yaml')]
  const inventory = [join(directory, 'inventory.yaml')]
  const quiet = { ...t, log: () => {} } as ExecutionContext
  const out = join(directory, 'saved.plan')
  const runs = [
    ['plan', runPlan, { args }],
    ['plan --out', runPlan, { args, out }],
    ['apply', runApply, { args, yes: true, trial: false }],
    ['records', runRecords, {}],
    ['rollback', runRollback, { yes: true }],
  ] as const
  for (const [name, command, options] of runs) {
    for (const json of [false, true]) {
      const { code, stdout, stderr } = await runCommand(quiet, command, { inventory, json, verbose: true, ...options })
      t.is(code, 0, `${name}: ${stdout}${stderr}`)
      if (name === 'plan') t.regex(stdout, /panic=17[^]*irqbalance/, 'both changes are shown')
      if (name === 'plan') t.true(stdout.includes('rd.iscsi.password=***'))
      assertNone(t, stdout + stderr, `${name} ${json}`)
      assertNone(t, readAll(join(directory, 'state')), `what the controller keeps after ${name}`)
      assertNone(t, readAll(join(root, 'var/lib/passway')), `the record after ${name}`)
    }
  }
  assertNone(t, readFileSync(out, 'utf8'), 'a saved plan')
})
