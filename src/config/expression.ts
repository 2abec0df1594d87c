import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import { bounded, checkNames, evaluateExpression, isCondition } from './evaluate-expression.ts'
import type { Scope } from './evaluate-expression.ts'
import { ExpressionError, syntaxError } from './expression-tokens.ts'
import type { ExpressionProblem } from './expression-tokens.ts'
import type { Expression } from './expression-tree.ts'
import { textOf } from './expression-values.ts'
import { parseExpressionAt } from './parse-expression.ts'
import { positionOf, setOwn } from './source-node.ts'
import type { PlainValue, SourceEntry, SourceNode, SourceScalar } from './source-node.ts'
import { spanInScalar } from './yaml-source.ts'

/** `needsFacts`: nothing is wrong, but the facts of the host are not known yet. */
export type Resolution<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly needsFacts: boolean; readonly diagnostics: readonly Diagnostic[] }

/** A scope throws it where an expression asks for facts before the host was read. */
export class FactsNeeded extends Error {}

/** A scope throws it where the definition of a variable is wrong by itself. */
export class VariableFailed extends Error {
  readonly diagnostics: readonly Diagnostic[]

  constructor(diagnostics: readonly Diagnostic[]) {
    super('a variable has no value')
    this.diagnostics = diagnostics
  }
}

type TemplatePart = string | { readonly expression: Expression; readonly start: number; readonly end: number }
type Template = { readonly parts: readonly TemplatePart[] } | { readonly problem: ExpressionProblem }

/**
 * The value of what the user wrote: templates in all its texts are evaluated. A text that is one `{{ }}` as a whole
 * keeps the type of the value. Values that come out of a template are never templates themselves.
 */
export function evaluateNode(node: SourceNode, scope: Scope): Resolution<PlainValue> {
  if (node.kind === 'scalar') return evaluateScalar(node, scope)
  if (node.kind === 'list') return combine(node.items.map((item) => evaluateNode(item, scope)))
  return evaluateEntries(node.entries, scope)
}

/** Whether a bare expression (`when`) holds. A list of them holds when all do. */
export function evaluateCondition(node: SourceNode, scope: Scope): Resolution<boolean> {
  if (node.kind === 'list') return evaluateConditions(node.items, scope)
  if (node.kind === 'scalar' && typeof node.value === 'boolean') return { ok: true, value: node.value }
  const parsed = parseCondition(node)
  if (!parsed.ok) return parsed
  const { expression, scalar } = parsed.value
  return guard(scalar, () => isCondition(evaluateExpression(expression, scope), expression))
}

/** The expressions in what the user wrote, for `when` (`condition`) and for everything else; syntax errors as diagnostics. */
export function readExpressions(
  node: SourceNode,
  condition: boolean,
): { readonly expressions: readonly Expression[]; readonly diagnostics: readonly Diagnostic[] } {
  const expressions: Expression[] = []
  const diagnostics: Diagnostic[] = []
  for (const scalar of scalarsOf(node)) {
    const found = condition ? conditionExpressions(scalar) : templateExpressions(scalar)
    if (found.ok) expressions.push(...found.value)
    else diagnostics.push(...found.diagnostics)
  }
  return { expressions, diagnostics }
}

/** What `find` has against the expressions of what the user wrote, each at its place. Syntax errors are told elsewhere. */
export function judgeExpressions(
  node: SourceNode,
  condition: boolean,
  find: (expression: Expression) => readonly ExpressionProblem[],
): readonly Diagnostic[] {
  return scalarsOf(node).flatMap((scalar) => {
    const found = condition ? conditionExpressions(scalar) : templateExpressions(scalar)
    return found.ok ? found.value.flatMap(find).map((problem) => problemDiagnostic(scalar, problem)) : []
  })
}

function scalarsOf(node: SourceNode): readonly SourceScalar[] {
  if (node.kind === 'scalar') return [node]
  return node.kind === 'list' ? node.items.flatMap(scalarsOf) : node.entries.flatMap(({ value }) => scalarsOf(value))
}

function conditionExpressions(scalar: SourceScalar): Resolution<readonly Expression[]> {
  if (typeof scalar.value === 'boolean') return { ok: true, value: [] }
  const parsed = parseCondition(scalar)
  return parsed.ok ? { ok: true, value: [parsed.value.expression] } : parsed
}

function templateExpressions(scalar: SourceScalar): Resolution<readonly Expression[]> {
  const template = findTemplate(scalar)
  if (template === undefined) return { ok: true, value: [] }
  if ('problem' in template) return failed([problemDiagnostic(scalar, template.problem)])
  return { ok: true, value: template.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.expression])) }
}

const templates = new WeakMap<SourceScalar, Template>()

/** The template in a scalar; undefined for everything that is none. Parsed once, however many hosts use it. */
function findTemplate(scalar: SourceScalar): Template | undefined {
  const { value, literal } = scalar
  if (literal || typeof value !== 'string' || !/\{[{%#]/.test(value)) return undefined
  const known = templates.get(scalar)
  if (known !== undefined) return known
  const template = parseTemplate(value)
  templates.set(scalar, template)
  return template
}

function parseTemplate(text: string): Template {
  try {
    return { parts: readParts(text) }
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return { problem: thrown.problem }
    throw thrown
  }
}

function readParts(text: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = []
  let at = 0
  while (at < text.length) {
    const opening = text.slice(at).search(/\{[{%#]/)
    const start = opening === -1 ? text.length : at + opening
    if (start > at) parts.push(text.slice(at, start))
    if (start === text.length) break
    if (text[start + 1] !== '{') throw statementUnsupported(text, start)
    const { expression, end } = parseExpressionAt(text, start + 2, true)
    checkNames(expression)
    at = end + 2
    parts.push({ expression, start, end: at })
  }
  return parts
}

function statementUnsupported(text: string, start: number): ExpressionError {
  const opening = text.slice(start, start + 2)
  const hint = "use {{ a if condition else b }}, or write the text itself as {{ '…' }} or with the tag !unsafe"
  return syntaxError({ start, end: start + 2 }, `passway has no "${opening}" in templates, only "{{ }}"`, hint)
}

function evaluateScalar(scalar: SourceScalar, scope: Scope): Resolution<PlainValue> {
  const template = findTemplate(scalar)
  if (template === undefined) return { ok: true, value: scalar.value }
  if ('problem' in template) return failed([problemDiagnostic(scalar, template.problem)])
  const [first] = template.parts
  if (template.parts.length === 1 && first !== undefined && typeof first !== 'string') {
    return guard(scalar, () => evaluateExpression(first.expression, scope))
  }
  return guard(scalar, () => interpolate(template.parts, scope))
}

function interpolate(parts: readonly TemplatePart[], scope: Scope): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else text = bounded(text + textOf(evaluateExpression(part.expression, scope), part.expression), part)
  }
  return text
}

function combine(results: readonly Resolution<PlainValue>[]): Resolution<readonly PlainValue[]> {
  const values: PlainValue[] = []
  const diagnostics: Diagnostic[] = []
  let needsFacts = false
  for (const result of results) {
    if (result.ok) values.push(result.value)
    else {
      diagnostics.push(...result.diagnostics)
      needsFacts ||= result.needsFacts
    }
  }
  return values.length === results.length ? { ok: true, value: values } : { ok: false, needsFacts, diagnostics }
}

function evaluateEntries(entries: readonly SourceEntry[], scope: Scope): Resolution<PlainValue> {
  const combined = combine(entries.map((entry) => evaluateNode(entry.value, scope)))
  if (!combined.ok) return combined
  const object: Record<string, PlainValue> = {}
  for (const [index, { key }] of entries.entries()) setOwn(object, key, combined.value[index] ?? null)
  return { ok: true, value: object }
}

/** Stops at the first condition that does not hold, so that a later one may rely on it. */
function evaluateConditions(nodes: readonly SourceNode[], scope: Scope): Resolution<boolean> {
  for (const node of nodes) {
    const result = evaluateCondition(node, scope)
    if (!result.ok || !result.value) return result
  }
  return { ok: true, value: true }
}

type ParsedCondition = { readonly expression: Expression; readonly scalar: SourceScalar }

function parseCondition(node: SourceNode): Resolution<ParsedCondition> {
  if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value.trim() === '') {
    const hint = 'write one expression, or a list of them'
    return failed([error('CONDITION_INVALID', '"when" is an expression', { source: positionOf(node.span), hint })])
  }
  const text = node.value
  if (/^\s*\{[{%]/.test(text)) {
    const hint = `write it without braces: when: ${text.replaceAll(/\{\{|\}\}/g, '').trim()}`
    return failed([
      error('CONDITION_INVALID', '"when" is an expression already', { source: positionOf(node.span), hint }),
    ])
  }
  return guard(node, () => {
    const { expression } = parseExpressionAt(text, 0, false)
    checkNames(expression)
    return { expression, scalar: node }
  })
}

function guard<Value>(scalar: SourceScalar, compute: () => Value): Resolution<Value> {
  try {
    return { ok: true, value: compute() }
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return failed([problemDiagnostic(scalar, thrown.problem)])
    if (thrown instanceof VariableFailed) return failed(thrown.diagnostics)
    if (thrown instanceof FactsNeeded) return { ok: false, needsFacts: true, diagnostics: [] }
    throw thrown
  }
}

function failed(diagnostics: readonly Diagnostic[]): {
  ok: false
  needsFacts: false
  diagnostics: readonly Diagnostic[]
} {
  return { ok: false, needsFacts: false, diagnostics }
}

function problemDiagnostic(scalar: SourceScalar, problem: ExpressionProblem): Diagnostic {
  const { code, message, start, end, hint } = problem
  const source = positionOf(spanInScalar(scalar, start, Math.max(1, end - start)))
  return error(code, message, { source, ...(hint === undefined ? {} : { hint }) })
}
