import type { ZodType } from 'zod'
import type { $ZodType, $ZodTypes } from 'zod/v4/core'
import { globalRegistry } from 'zod/v4/core'

/** The value at a path of own properties; undefined where there is none. */
export function findValueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = (found as Record<PropertyKey, unknown>)[step]
  }
  return found
}

/** The schema that a value at `path` must meet; undefined where the schema does not say. */
export function schemaAt(schema: $ZodType, path: readonly PropertyKey[]): $ZodType | undefined {
  let found: $ZodType | undefined = schema
  for (const step of path) found = found && schemaBelow(found, step)
  return found
}

/** Names that a mapping may have. */
export function schemaKeys(schema: $ZodType | undefined): readonly string[] {
  if (schema === undefined) return []
  const def = unwrap(schema)
  if (def.type === 'object') return Object.keys(def.shape)
  return def.type === 'union' ? [...new Set(def.options.flatMap((option) => schemaKeys(option)))] : []
}

/**
 * `.describe()` of the schema at `path`, also where it stands outside or inside of `.optional()` and the like. An item
 * without a description has that of its list.
 */
export function schemaDescription(schema: $ZodType, path: readonly PropertyKey[]): string | undefined {
  const own = ownDescription(schema, path)
  return own === undefined && typeof path.at(-1) === 'number' ? schemaDescription(schema, path.slice(0, -1)) : own
}

function ownDescription(schema: $ZodType, path: readonly PropertyKey[]): string | undefined {
  let found = schemaAt(schema, path)
  while (found !== undefined) {
    const description = globalRegistry.get(found)?.description
    if (description !== undefined) return description
    const inner: $ZodType | undefined = innerSchema(found)
    if (inner === undefined) return undefined
    found = inner
  }
  return undefined
}

function innerSchema(schema: $ZodType): $ZodType | undefined {
  const def = definitionOf(schema)
  if ('innerType' in def) return def.innerType
  return def.type === 'pipe' ? def.in : undefined
}

type Definition = $ZodTypes['_zod']['def']

function definitionOf(schema: $ZodType): Definition {
  return (schema as ZodType).def as Definition
}

/** The definition inside of `.optional()`, `.default()` and the like. */
function unwrap(schema: $ZodType): Definition {
  let found = schema
  for (let inner = innerSchema(found); inner !== undefined; inner = innerSchema(found)) found = inner
  return definitionOf(found)
}

function schemaBelow(schema: $ZodType, step: PropertyKey): $ZodType | undefined {
  const def = unwrap(schema)
  if (def.type === 'object') return def.shape[String(step)]
  if (def.type === 'array') return def.element
  if (def.type === 'record') return def.valueType
  if (def.type !== 'union') return undefined
  return def.options.map((option) => schemaBelow(option, step)).find((found) => found !== undefined)
}
