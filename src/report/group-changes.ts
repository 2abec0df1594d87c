import type { Change } from '../core/change.ts'

/** Changes that are the same but for a number in their target, such as one attribute of every CPU. */
export type ChangeGroup = { readonly first: Change; readonly targets: readonly string[] }

/** Joins attribute changes that differ by a number alone; the order of the first of each group is kept. */
export function groupChanges(changes: readonly Change[]): ChangeGroup[] {
  const groups = new Map<string, { first: Change; targets: string[] }>()
  for (const change of changes) {
    const { kind, target, before, after, tasks } = change
    const key = JSON.stringify(
      kind === 'attribute' ? [target.replaceAll(/\d+/g, '#'), before, after, tasks] : [kind, target],
    )
    const group = groups.get(key)
    if (group) group.targets.push(target)
    else groups.set(key, { first: change, targets: [target] })
  }
  return [...groups.values()]
}

/** `/sys/…/policyN/scaling_governor`: the numbers that differ become an asterisk. */
export function nameTargets(targets: readonly string[]): string {
  const [first = '', ...others] = targets
  if (others.length === 0) return first
  const parts = targets.map((target) => target.split(/(\d+)/))
  const joined = (parts[0] ?? []).map((part, index) => (parts.every((each) => each[index] === part) ? part : '*'))
  return `${joined.join('')} (${targets.length})`
}
