import type { Claim } from '../core/claim.ts'
import type { Diagnostic, SourcePosition } from '../core/diagnostic.ts'
import type { ResolvedTask } from '../core/plan.ts'
import { findParameterTexts } from './claim-identity.ts'
import type { TaskDiagnostic } from './tasked.ts'

export type AttachedDiagnostics = {
  /** By index of the task. */
  readonly byTask: readonly (readonly Diagnostic[])[]
  /** Those of no task. */
  readonly ofHost: readonly Diagnostic[]
}

/** Gives each diagnostic to the tasks it is about, at the parameter in question; each names the other tasks' places. */
export function attachDiagnostics(
  tasks: readonly ResolvedTask[],
  diagnostics: readonly TaskDiagnostic[],
): AttachedDiagnostics {
  const byTask: Diagnostic[][] = tasks.map(() => [])
  const ofHost: Diagnostic[] = []
  for (const found of diagnostics) {
    const places = found.tasks.flatMap((index) => findPlace(tasks, index, found.claims ?? []))
    if (places.length === 0) ofHost.push(found.diagnostic)
    for (const place of places) byTask[place.task]?.push(atPlace(found.diagnostic, place, places))
  }
  return { byTask, ofHost }
}

type Place = { readonly task: number; readonly name: string; readonly source: SourcePosition }

function findPlace(tasks: readonly ResolvedTask[], index: number, claims: readonly Claim[]): readonly Place[] {
  const task = tasks[index]
  if (task === undefined) return []
  const path = findParameter(task.params, claims)
  return [{ task: index, name: task.name, source: path === undefined ? task.source : task.locate(path) }]
}

function atPlace(diagnostic: Diagnostic, place: Place, places: readonly Place[]): Diagnostic {
  const others = places.filter(({ task }) => task !== place.task)
  const evidence = [
    ...(diagnostic.evidence ?? []),
    ...others.map(({ name, source }) => `${source.file}:${source.line}: ${name}`),
  ]
  return { ...diagnostic, source: place.source, ...(evidence.length === 0 ? {} : { evidence }) }
}

type Path = readonly (string | number)[]

/** The parameter that made one of these claims: the text of the claim as the task has it. */
function findParameter(params: unknown, claims: readonly Claim[]): Path | undefined {
  const leaves = listLeaves(params, [])
  for (const text of claims.flatMap(findParameterTexts)) {
    const leaf = leaves.find((each) => each.text === text)
    if (leaf !== undefined) return leaf.path
  }
  return undefined
}

function listLeaves(value: unknown, path: Path): readonly { readonly text: string; readonly path: Path }[] {
  if (typeof value === 'string' || typeof value === 'number') return [{ text: String(value), path }]
  if (Array.isArray(value)) return value.flatMap((each, index) => listLeaves(each, [...path, index]))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => listLeaves(each, [...path, key]))
}
