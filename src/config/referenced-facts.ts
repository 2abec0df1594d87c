import type { Diagnostic } from '../core/diagnostic.ts'
import { readExpressions } from './expression.ts'
import { subexpressions } from './expression-tree.ts'
import type { Expression } from './expression-tree.ts'
import type { Play } from './playbook.ts'
import type { SourceNode, Variables } from './source-node.ts'

/** Notes syntax errors of the templates in `node` (of bare expressions with `condition`). */
export function checkExpressions(node: SourceNode, condition: boolean, diagnostics: Diagnostic[]): void {
  diagnostics.push(...readExpressions(node, condition).diagnostics)
}

/**
 * The facts that plays and variables mention, as dotted paths (`facts.kernel.acs_override`), so that a costly one is
 * read only where it is asked for. A path stops where it is not constant: `facts[x]` is `facts`, and that means all.
 */
export function referencedFacts(plays: readonly Play[], variables: readonly Variables[] = []): ReadonlySet<string> {
  const paths = new Set<string>()
  for (const { node, condition } of plays.flatMap(expressionsOf)) collect(node, condition, paths)
  for (const layer of variables) for (const node of layer.values()) collect(node, false, paths)
  return paths
}

/** Everything of a play that may hold expressions; `condition`: it is one, without braces. */
export function expressionsOf(play: Play): { readonly node: SourceNode; readonly condition: boolean }[] {
  const ofTasks = play.tasks.flatMap(({ variables, entry, name, when }) => [
    ...[...variables.values(), entry.value, ...(name === null ? [] : [name])].map((node) => ({
      node,
      condition: false,
    })),
    ...(when === null ? [] : [{ node: when, condition: true }]),
  ])
  return [...[...play.variables.values()].map((node) => ({ node, condition: false })), ...ofTasks]
}

/** Whether a fact at `path` is asked for, by itself, by what contains it or by what it contains. */
export function isFactReferenced(referenced: ReadonlySet<string>, path: string): boolean {
  return [...referenced].some((found) => `${path}.`.startsWith(`${found}.`) || found.startsWith(`${path}.`))
}

function collect(node: SourceNode, condition: boolean, paths: Set<string>): void {
  for (const expression of readExpressions(node, condition).expressions) collectPaths(expression, paths)
}

function collectPaths(expression: Expression, paths: Set<string>): void {
  const path = findPath(expression)
  if (path !== undefined) paths.add(path.join('.'))
  for (const part of path === undefined ? subexpressions(expression) : indexesOf(expression)) collectPaths(part, paths)
}

/** The indexes along a chain of attributes: they may mention facts of their own. */
function indexesOf(expression: Expression): readonly Expression[] {
  if (expression.kind === 'attribute') return indexesOf(expression.of)
  return expression.kind === 'index' ? [expression.index, ...indexesOf(expression.of)] : []
}

/** The constant beginning of a chain of attributes that starts at `facts`. */
function findPath(expression: Expression): readonly string[] | undefined {
  if (expression.kind === 'name') return expression.name === 'facts' ? ['facts'] : undefined
  if (expression.kind !== 'attribute' && expression.kind !== 'index') return undefined
  const path = findPath(expression.of)
  if (path === undefined) return undefined
  if (expression.kind === 'attribute') return isConstant(expression.of) ? [...path, expression.name] : path
  const { index } = expression
  const step = index.kind === 'literal' && typeof index.value === 'string' ? index.value : undefined
  return step !== undefined && isConstant(expression.of) ? [...path, step] : path
}

function isConstant(expression: Expression): boolean {
  if (expression.kind === 'index') {
    return (
      expression.index.kind === 'literal' && typeof expression.index.value === 'string' && isConstant(expression.of)
    )
  }
  return expression.kind === 'name' || (expression.kind === 'attribute' && isConstant(expression.of))
}
