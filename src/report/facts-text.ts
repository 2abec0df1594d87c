import { wrapWords } from './wrap.ts'

type Fact = { readonly name: string; readonly type: string; readonly meaning: string }

/** The reference of facts as aligned text. */
export function renderFacts(facts: readonly Fact[], width: number): string {
  const names = Math.max(...facts.map(({ name }) => name.length))
  const types = Math.max(...facts.map(({ type }) => type.length))
  const indent = names + types + 4
  return facts
    .flatMap(({ name, type, meaning }) =>
      wrapWords(meaning.split(' '), Math.max(30, width - indent)).map((words, index) =>
        index === 0
          ? `${name.padEnd(names)}  ${type.padEnd(types)}  ${words.join(' ')}`
          : `${' '.repeat(indent)}${words.join(' ')}`,
      ),
    )
    .join('\n')
}
