import type { Diagnostic } from '../core/diagnostic.ts'
import { constantPath, memberStart, missingMember } from './evaluate-expression.ts'
import { judgeExpressions } from './expression.ts'
import type { ExpressionProblem } from './expression-tokens.ts'
import { subexpressions } from './expression-tree.ts'
import type { Expression } from './expression-tree.ts'
import { undefinedProblem } from './expression-values.ts'
import { factsReference } from './facts.ts'
import type { Play } from './playbook.ts'
import { expressionsOf } from './referenced-facts.ts'

/** Facts that plays ask for and no host has. What lies inside of lists and of mappings with free keys is not judged. */
export function lintFacts(plays: readonly Play[]): readonly Diagnostic[] {
  return plays.flatMap((play) =>
    expressionsOf(play).flatMap(({ node, condition }) => judgeExpressions(node, condition, findMissing)),
  )
}

function findMissing(expression: Expression): readonly ExpressionProblem[] {
  if (mayBeUndefined(expression)) return expression.args.flatMap(({ value }) => findMissing(value))
  const path = constantPath(expression)
  const known = path === undefined ? undefined : namesBelow(path.slice(0, -1))
  const member = path?.at(-1)
  if (path !== undefined && member !== undefined && known !== undefined && !known.has(member)) {
    const range = { start: memberStart(expression), end: expression.end }
    return [undefinedProblem(missingMember({ range, of: path.slice(0, -1).join('.'), member }, known))]
  }
  return subexpressions(expression).flatMap(findMissing)
}

/** `x is defined`, `x | default(…)`: made to ask for what may be missing. */
function mayBeUndefined(expression: Expression): expression is Extract<Expression, { kind: 'test' | 'filter' }> {
  if (expression.kind === 'test') return expression.name === 'defined' || expression.name === 'undefined'
  return expression.kind === 'filter' && (expression.name === 'default' || expression.name === 'd')
}

/** Undefined where the reference names none: outside of `facts`, and below a fact itself. */
function namesBelow(path: readonly string[]): ReadonlySet<string> | undefined {
  const below = factsReference
    .map(({ name }) => name.split('.'))
    .filter((name) => name.length > path.length && path.every((step, index) => name[index] === step))
  const names = new Set(below.flatMap((name) => name[path.length] ?? []))
  return path.length === 0 || names.size === 0 ? undefined : names
}
