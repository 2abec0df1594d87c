import type { TextRange } from './expression-tokens.ts'

export type Argument = { readonly name: string | null; readonly value: Expression }

/** Expressions of Jinja, the part that passway has. */
export type Expression = TextRange &
  (
    | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
    | { readonly kind: 'list'; readonly items: readonly Expression[] }
    | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
    | { readonly kind: 'index'; readonly of: Expression; readonly index: Expression }
    | { readonly kind: 'unary'; readonly operator: 'not' | '-' | '+'; readonly of: Expression }
    | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
    | {
        readonly kind: 'comparison'
        readonly first: Expression
        readonly rest: readonly { readonly operator: string; readonly value: Expression }[]
      }
    | {
        readonly kind: 'choice'
        readonly test: Expression
        readonly value: Expression
        readonly otherwise: Expression | null
      }
    | { readonly kind: 'filter'; readonly of: Expression; readonly name: string; readonly args: readonly Argument[] }
    | {
        readonly kind: 'test'
        readonly of: Expression
        readonly name: string
        readonly args: readonly Argument[]
        readonly negated: boolean
      }
  )

/** The expressions right below one. */
export function subexpressions(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'name':
      return []
    case 'list':
      return expression.items
    case 'dict':
      return expression.entries.flat()
    case 'attribute':
    case 'unary':
      return [expression.of]
    case 'index':
      return [expression.of, expression.index]
    case 'binary':
      return [expression.left, expression.right]
    case 'comparison':
      return [expression.first, ...expression.rest.map(({ value }) => value)]
    case 'choice':
      return [expression.test, expression.value, ...(expression.otherwise === null ? [] : [expression.otherwise])]
    case 'filter':
    case 'test':
      break
  }
  return [expression.of, ...expression.args.map(({ value }) => value)]
}
