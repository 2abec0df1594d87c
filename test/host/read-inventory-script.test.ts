import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runInventoryScript } from '../../src/host/read-inventory-script.ts'

function script(t: ExecutionContext, text: string, mode = 0o755): string {
  const directory = mkdtempSync(join(tmpdir(), "passway it's "))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'hosts $(x).sh')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

test('gives the output of PATH --list', async (t) => {
  const path = script(t, '#!/bin/sh\nprintf \'{"args": "%s", "ä": 1}\' "$*"\n')
  t.deepEqual(await runInventoryScript(path), { ok: true, text: '{"args": "--list", "ä": 1}' })
})

test('a script that fails', async (t) => {
  const path = script(t, '#!/bin/sh\necho no cloud >&2\nexit 3\n')
  t.deepEqual(await runInventoryScript(path), {
    ok: false,
    reason: `${path} --list ended with status 3`,
    evidence: ['no cloud'],
  })
})

test('a script that cannot be run', async (t) => {
  t.like(await runInventoryScript(script(t, '#!/bin/sh\n', 0o644)), { ok: false })
  t.like(await runInventoryScript('/nonexistent/script'), { ok: false })
})
