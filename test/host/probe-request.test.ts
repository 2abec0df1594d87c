import test from 'ava'
import { completeReads } from '../../src/host/probe-request.ts'
import { demoTree, makeTree, snapshotOf } from '../host-trees/open-tree.ts'

test('an attribute that a base pattern reads already is not asked for again', (t) => {
  const policy = '/sys/devices/system/cpu/cpufreq/policy0/scaling_governor'
  const { attributes } = completeReads({ attributes: [policy, '/sys/module/x/parameters/y'] })
  t.true(attributes.includes('/sys/module/x/parameters/y'))
  const twice = attributes.filter((pattern) => pattern === policy || pattern.endsWith('policy*/scaling_governor'))
  t.is(twice.length, 1)
})

test('an attribute asked for by path and by pattern has one value', async (t) => {
  const tree = makeTree(t, demoTree)
  const pattern = '/sys/kernel/mm/hugepages/*/nr_hugepages'
  const path = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'
  const { attributes } = await snapshotOf(tree, { attributes: [pattern, path] })
  t.is(attributes.get(path), '0')
})
