import { readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'
import { modules } from '../../modules/index.ts'
import { uniteReads } from '../../src/host/probe-request.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'

type Task = Record<string, unknown> & { readonly accept?: Record<string, string> }

const playbook = new URL('../../playbooks/demo/playbook.yaml', import.meta.url)
const [play] = parse(readFileSync(playbook, 'utf8')) as [{ readonly tasks: readonly Task[] }]

test('the modules of the demo are planned on its host and nothing is refused', async (t) => {
  const planned = modules.flatMap((module) =>
    play.tasks
      .filter((task) => module.name in task)
      .map((task) => ({ module, params: module.params.parse(task[module.name]), accept: task.accept ?? {} })),
  )
  // These two name devices in another way than vfio_ids, which the demo shows.
  const others = ['driver_override', 'passthrough']
  const shown = modules.map(({ name }) => name).filter((name) => !others.includes(name))
  t.deepEqual(new Set(planned.map(({ module }) => module.name)), new Set(shown))
  const reads = uniteReads(planned.map(({ module, params }) => module.reads(params)))
  const snapshot = await snapshotOf(makeTree(t, demoTree), reads)
  for (const { module, params, accept } of planned) {
    const plan = module.plan(params, snapshot, { accept: new Map(Object.entries(accept)), adopt: false })
    t.deepEqual(
      plan.diagnostics.filter(({ severity }) => severity === 'error'),
      [],
    )
    t.true(plan.claims.length > 0, module.name)
  }
})
