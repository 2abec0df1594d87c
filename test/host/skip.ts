import anyTest, { type TestFn } from 'ava'

/** `test`, or a `test` that skips and says in the title what is missing here. */
export function testUnless(obstacle: string | null): TestFn {
  if (obstacle === null) return anyTest
  const skip = (title: string, ...rest: readonly unknown[]): void => {
    anyTest.skip(`${title} (skipped: ${obstacle})`, ...(rest as [() => void]))
  }
  const hooks = { before: () => {}, after: Object.assign(() => {}, { always: () => {} }), serial: skip }
  return Object.assign(skip, hooks) as unknown as TestFn
}
