import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/package-root.ts'
import { runCli, unpackDemo } from './run-cli.ts'

const examples = readdirSync(join(packageRoot, 'playbooks'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.yaml') && !name.endsWith('inventory.yaml'),
)

test('there are examples', (t) => {
  t.true(examples.length >= 4, examples.join(' '))
})

for (const name of examples) {
  test(`the example ${name} has no mistakes, with and without an inventory`, async (t) => {
    const file = join('playbooks', name)
    const inventory = name.startsWith('demo/') ? 'playbooks/demo/inventory.yaml' : 'root@pve1,'
    for (const options of [[], ['-i', inventory]]) {
      const { code, stdout, stderr } = await runCli(['lint', file, ...options])
      t.is(code, 0, stderr)
      t.true(stdout.includes('no errors'))
    }
  })
}

test('the graphics example plans on the demo host', async (t) => {
  const cwd = await unpackDemo(t)
  const { code, stdout } = await runCli(['plan', join(packageRoot, 'playbooks/proxmox-gpu.yaml')], { cwd })
  t.is(code, 0, stdout)
  t.true(stdout.includes('+options vfio-pci ids=10de:1c82,10de:0fb9'))
  t.true(stdout.includes('1 skipped by when'), 'it is no Intel machine')
})

/** Commands that the README shows: every passway subcommand and option in it exists. */
const shown = readFileSync(join(packageRoot, 'README.md'), 'utf8').matchAll(/^npx passway ([a-z]+)(.*)$/gm)

for (const [line, command = '', rest = ''] of shown) {
  test(`README: ${line.replace(/\s*#.*/, '')}`, async (t) => {
    const { code, stdout } = await runCli([command, '--help'])
    t.is(code, 0)
    for (const [option] of rest.replace(/#.*/, '').matchAll(/(?<=\s)--?[a-z][a-z-]*/g))
      t.true(stdout.includes(option), option)
  })
}
