import { lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import * as fc from 'fast-check'
import { runInspect } from '../../src/commands/inspect.ts'
import { runPlan } from '../../src/commands/plan.ts'
import type { RunContext } from '../../src/commands/run-context.ts'
import { runCommand } from '../commands/fake-host.ts'
import { demoTree, makeTree } from '../host-trees/open-tree.ts'
import { findControl, hostileMixtures, hostileTexts, setCanary } from './hostile-strings.ts'
import { testUnless } from './skip.ts'
import { findSshdObstacle, startSshd, type TestSshd } from './sshd.ts'

const test = testUnless(findSshdObstacle())
const playbook = new URL('../../playbooks/demo/playbook.yaml', import.meta.url).pathname

/** Every regular file of a tree, sysfs and /proc as it holds them included. */
function listFiles(root: string, below = ''): string[] {
  return readdirSync(join(root, below)).flatMap((name) => {
    const path = join(below, name)
    const found = lstatSync(join(root, path))
    if (found.isDirectory()) return listFiles(root, path)
    return found.isFile() ? [path] : []
  })
}

type Rig = { readonly server: TestSshd; readonly directory: string }

/** The tree as the host `elysium`, which only a real sshd leads to. */
function writeInventory({ server, directory }: Rig, root: string): string {
  const path = join(directory, 'inventory.yaml')
  const variables = {
    ansible_host: '127.0.0.1',
    ansible_port: server.port,
    ansible_ssh_common_args: server.commonArgs.join(' '),
    passway_root: root,
  }
  writeFileSync(path, JSON.stringify({ all: { hosts: { elysium: variables } } }))
  return path
}

type Command = (context: RunContext, args: readonly string[]) => Promise<number>

/** Whatever the files say: the command ends as commands end, and a terminal is told nothing that it would act on. */
async function assertRead(t: ExecutionContext, rig: Rig, root: string, about: string): Promise<string> {
  const inventory = [writeInventory(rig, root)]
  const quiet = { ...t, log: () => {} } as ExecutionContext
  const runs: readonly [Command, readonly string[], boolean][] = [
    [runPlan, [playbook], false],
    [runPlan, [playbook], true],
    [runInspect, [], false],
  ]
  let said = ''
  for (const [command, args, json] of runs) {
    const { code, stdout, stderr } = await runCommand(quiet, command, { inventory, json, verbose: true, args })
    t.true([0, 1].includes(code), `${about}: exit code ${code}: ${stderr.slice(0, 2000)}`)
    t.is(findControl(stdout + stderr), null, about)
    said += stdout + stderr
  }
  return said
}

async function startRig(t: ExecutionContext): Promise<Rig> {
  const server = await startSshd(['MaxStartups 100'])
  t.teardown(server.stop)
  return { server, directory: makeTree(t, 'dir 0755 0:0 /x\n') }
}

const own = /^(etc|boot|proc|lib|usr|var|run)\//

test('every file that the probe reads holds hostile texts, one text in many places', async (t) => {
  t.timeout(240_000)
  const rig = await startRig(t)
  const canary = setCanary(t)
  const texts = hostileTexts(`touch ${canary.path}`).map((text) => Buffer.from(text, 'utf8'))
  // No text at all: what a damaged disk gives back.
  texts.push(Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x80, 0x0a, 0xed, 0xa0, 0x80]))
  const root = makeTree(t, demoTree)
  const files = listFiles(root).filter((path) => own.test(path))
  t.true(files.length > 60, `${files.length} files`)
  // Each round another share of the files, so that those left make the probe go on to what depends on them.
  for (let round = 0; round < 8; round += 1) {
    const tree = makeTree(t, demoTree)
    for (const [index, path] of files.entries()) {
      if (index % 4 === round % 4) writeFileSync(join(tree, path), texts[(index + round) % texts.length] ?? '')
    }
    const said = await assertRead(t, rig, tree, `round ${round}`)
    t.false(said.includes('SNAPSHOT_INVALID'), 'contents of files never keep a host from being read')
    t.false(canary.wasTouched(), `round ${round}`)
    rmSync(tree, { recursive: true })
  }
})

test('lines of hostile texts behind what a file says, values of sysfs, targets of links', async (t) => {
  t.timeout(240_000)
  const rig = await startRig(t)
  const canary = setCanary(t)
  const all = listFiles(makeTree(t, demoTree))
  const some = fc.subarray(all, { minLength: 1, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(some, hostileMixtures(`touch ${canary.path}`), fc.boolean(), async (paths, text, isLink) => {
      const tree = makeTree(t, demoTree)
      for (const path of paths) {
        const at = join(tree, path)
        if (isLink) {
          rmSync(at)
          symlinkSync(text.replaceAll('\0', '') || ' ', at)
        } else writeFileSync(at, `${text}\n`, { flag: path.startsWith('sys/') ? 'w' : 'a' })
      }
      await assertRead(t, rig, tree, JSON.stringify({ paths, text, isLink }))
      t.false(canary.wasTouched(), text)
      rmSync(tree, { recursive: true })
    }),
    { numRuns: 8 },
  )
})

const directories = [
  'etc/modprobe.d',
  'etc/modules-load.d',
  'etc/udev/rules.d',
  'etc/default/grub.d',
  'etc/initramfs-tools/conf.d',
  'boot',
  'sys/bus/pci/devices',
  'sys/kernel/iommu_groups',
  'etc/libvirt/qemu',
]

test('names of files that hold hostile texts', async (t) => {
  t.timeout(240_000)
  const rig = await startRig(t)
  const canary = setCanary(t)
  const texts = hostileTexts(`touch ${canary.path}`)
  const names = texts.filter((text) => text.length < 200 && !/[\0]/.test(text)).map((text) => text.replaceAll('/', '_'))
  let escaped = 0
  for (let round = 0; round < names.length; round += 6) {
    const tree = makeTree(t, demoTree)
    for (const name of names.slice(round, round + 6)) {
      if (['', '.', '..'].includes(name)) continue
      for (const directory of directories) {
        const at = join(tree, directory, directory === 'boot' ? `vmlinuz-${name}` : `${name}.conf`)
        mkdirSync(dirname(at), { recursive: true })
        writeFileSync(at, 'options vfio-pci ids=1234:5678\n')
      }
    }
    const said = await assertRead(t, rig, tree, JSON.stringify(names.slice(round, round + 6)))
    escaped += said.match(/\\x1b/g)?.length ?? 0
    t.false(canary.wasTouched(), `${round}`)
    rmSync(tree, { recursive: true })
  }
  t.true(escaped > 0, 'a name with an escape sequence is shown escaped')
})
