import test from 'ava'
import { startHandshake } from '../../src/host/handshakes.ts'

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) === pending
}

test('eight at a time, in order of asking; others are not held up', async (t) => {
  const ends = await Promise.all(Array.from({ length: 8 }, () => startHandshake('a')))
  const ninth = startHandshake('a')
  const tenth = startHandshake('a')
  t.true(await isPending(ninth))
  const other = await startHandshake('b')
  ends[0]?.()
  ends[0]?.()
  const endNinth = await ninth
  t.true(await isPending(tenth), 'ending twice frees one place')
  endNinth()
  const endTenth = await tenth
  for (const end of [...ends, endTenth, other]) end()
  const again = await Promise.all(Array.from({ length: 8 }, () => startHandshake('a')))
  for (const end of again) end()
})
