import type { $ZodIssue, $ZodType } from 'zod/v4/core'
import { error } from '../core/diagnostic.ts'
import type { Diagnostic } from '../core/diagnostic.ts'
import type { Module } from '../core/module.ts'
import type { ResolvedTask } from '../core/plan.ts'
import { findNearest, meantHint } from './did-you-mean.ts'
import { findValueAt, schemaAt, schemaDescription, schemaKeys } from './schema-path.ts'

export type Validated<Params> =
  | { readonly ok: true; readonly params: Params }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] }

type Checked = Pick<ResolvedTask, 'params' | 'locate'>
type Context = { readonly module: string; readonly schema: $ZodType; readonly task: Checked }

/**
 * Checks a task's parameters against its module's schema. Every issue becomes a diagnostic at the exact key or value:
 * PARAM_UNKNOWN, PARAM_MISSING, PARAM_INVALID. A custom issue may bring its own hint in `params: { hint }`.
 */
export function validateParams<Params>(module: Module<Params>, task: Checked): Validated<Params> {
  const parsed = module.params.safeParse(task.params)
  if (parsed.success) return { ok: true, params: parsed.data }
  const context = { module: module.name, schema: module.params, task }
  return { ok: false, diagnostics: parsed.error.issues.flatMap((issue) => issueDiagnostics(context, issue)) }
}

function issueDiagnostics(context: Context, issue: $ZodIssue): readonly Diagnostic[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownParameter(context, issue.path, key))
  if (issue.code === 'invalid_union') return unionDiagnostics(context, issue)
  if (issue.code === 'invalid_type' && findValueAt(context.task.params, issue.path) === undefined) {
    return [missingParameter(context, issue.path)]
  }
  return [invalidParameter(context, issue)]
}

function unknownParameter(context: Context, path: readonly PropertyKey[], key: string): Diagnostic {
  const known = schemaKeys(schemaAt(context.schema, path))
  const hint = meantHint(key, known).hint ?? (known.length === 0 ? undefined : `it has ${known.join(', ')}`)
  return error('PARAM_UNKNOWN', `${owner(context, path)} has no parameter ${JSON.stringify(key)}`, {
    source: context.task.locate([...path, key], 'key'),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** `vfio_ids`, or a part of its parameters: `hugepages: pages[0]`. */
function owner({ module }: Context, path: readonly PropertyKey[]): string {
  return path.length === 0 ? module : `${module}: ${formatPath(path)}`
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('')
}

function missingParameter(context: Context, path: readonly PropertyKey[]): Diagnostic {
  const above = path.slice(0, -1)
  const name = JSON.stringify(String(path.at(-1) ?? ''))
  const expected = schemaDescription(context.schema, path)
  return error('PARAM_MISSING', `${owner(context, above)} needs the parameter ${name}`, {
    source: context.task.locate(above, 'key'),
    ...(expected === undefined ? {} : { hint: `${name}: ${expected}` }),
  })
}

function invalidParameter(context: Context, issue: $ZodIssue): Diagnostic {
  const { task, schema } = context
  const value = findValueAt(task.params, issue.path)
  const hint = issueHint(context, issue, value) ?? schemaDescription(schema, issue.path)
  const subject = issue.path.length === 0 ? context.module : `${context.module}: ${formatPath(issue.path)}`
  return error('PARAM_INVALID', `${subject} ${describeIssue(issue, value)}`, {
    source: task.locate(issue.path),
    ...(hint === undefined ? {} : { hint }),
  })
}

function describeIssue(issue: $ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_type') return `must be ${typeWord(issue.expected)}, not ${describe(value)}`
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}, not ${describe(value)}`
  if (issue.code === 'custom')
    return issue.message === 'Invalid input' ? `cannot be ${describe(value)}` : `: ${issue.message}`
  return `is ${describe(value)}: ${lowerFirst(issue.message)}`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
  null: 'nothing',
}

function typeWord(expected: string): string {
  return typeWords[expected] ?? expected
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? JSON.stringify(value) : `the ${typeof value} ${JSON.stringify(value)}`
}

function issueHint(context: Context, issue: $ZodIssue, value: unknown): string | undefined {
  if (issue.code === 'custom' && typeof issue.params?.['hint'] === 'string') return issue.params['hint']
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const nearest = findNearest(value, issue.values.map(String))
    if (nearest !== undefined) return `did you mean ${JSON.stringify(nearest)}?`
  }
  if (issue.code !== 'invalid_type') return undefined
  if (issue.expected === 'string') return quoteHint(context, issue.path, value)
  return issue.expected === 'array' ? listHint(issue.path, value) : undefined
}

/** An id such as 1002 or 0e10 is a number for YAML. */
function quoteHint({ task }: Context, path: readonly PropertyKey[], value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'boolean') return undefined
  const { text, column, length = 1 } = task.locate(path)
  const written = text?.slice(column - 1, column - 1 + length) ?? String(value)
  if (written.includes('{{')) return 'quote the value of the variable where it is defined'
  return `quote it: "${written}"`
}

function listHint(path: readonly PropertyKey[], value: unknown): string | undefined {
  const scalar = typeof value === 'string' || typeof value === 'number'
  return scalar ? `write a list: ${String(path.at(-1))}: [${JSON.stringify(value)}]` : undefined
}

/** Of the forms that a value may have, the one that comes nearest tells what is wrong. */
function unionDiagnostics(
  context: Context,
  issue: Extract<$ZodIssue, { code: 'invalid_union' }>,
): readonly Diagnostic[] {
  const value = findValueAt(context.task.params, issue.path)
  if (value === undefined) return [missingParameter(context, issue.path)]
  const nested = issue.errors.filter((branch) =>
    branch.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  const nearest = nested.toSorted((left, right) => left.length - right.length)[0]
  if (nearest !== undefined) {
    return nearest.flatMap((inner) => issueDiagnostics(context, { ...inner, path: [...issue.path, ...inner.path] }))
  }
  const forms = issue.errors.flatMap((branch) => branch.flatMap(formOf))
  const subject = issue.path.length === 0 ? context.module : `${context.module}: ${formatPath(issue.path)}`
  const hint = quoteHintOfUnion(context, issue, value) ?? schemaDescription(context.schema, issue.path)
  return [
    error(
      'PARAM_INVALID',
      `${subject} must be ${[...new Set(forms)].join(' or ') || 'something else'}, not ${describe(value)}`,
      {
        source: context.task.locate(issue.path),
        ...(hint === undefined ? {} : { hint }),
      },
    ),
  ]
}

function formOf(issue: $ZodIssue): readonly string[] {
  if (issue.code === 'invalid_type') return [typeWord(issue.expected)]
  if (issue.code === 'invalid_value') return issue.values.map(String)
  return issue.code === 'invalid_union'
    ? issue.errors.flatMap((branch) => branch.flatMap(formOf))
    : [lowerFirst(issue.message)]
}

function quoteHintOfUnion(
  context: Context,
  issue: Extract<$ZodIssue, { code: 'invalid_union' }>,
  value: unknown,
): string | undefined {
  const wantsText = issue.errors.some((branch) =>
    branch.some((inner) => inner.code === 'invalid_type' && inner.expected === 'string'),
  )
  return wantsText ? quoteHint(context, issue.path, value) : undefined
}
