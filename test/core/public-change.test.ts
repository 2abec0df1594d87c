import test from 'ava'
import type { Change } from '../../src/core/change.ts'
import { publicChange, sha256 } from '../../src/core/public-change.ts'
import { maskSecrets } from '../../src/core/secrets.ts'

function fileChange(content: string, mode: number): Change {
  const after = { content, mode, uid: 0, gid: 0 }
  return { kind: 'file', target: '/etc/x', before: null, after, tasks: [0], regenerate: [], takesEffect: 'boot' }
}

const shown = { before: 'shown', after: 'shown' } as const

test('a world-readable file shows its content, others a hash', (t) => {
  t.deepEqual(publicChange(fileChange('a\n', 0o644), shown)['after'], { content: 'a\n', mode: '0644', uid: 0, gid: 0 })
  t.deepEqual(publicChange(fileChange('a\n', 0o600), shown)['after'], {
    sha256: sha256('a\n'),
    mode: '0600',
    uid: 0,
    gid: 0,
  })
})

test('bytes that are no text are base64', (t) => {
  t.deepEqual(publicChange(fileChange('\u00ff\u0000', 0o644), shown)['after'], {
    base64: '/wA=',
    mode: '0644',
    uid: 0,
    gid: 0,
  })
})

test('records and saved plans hold hashes', (t) => {
  t.is(
    (publicChange(fileChange('a', 0o644), { before: 'hashed', after: 'hashed' })['after'] as { sha256: string }).sha256,
    sha256('a'),
  )
})

for (const [text, masked] of [
  ['quiet rd.iscsi.password=geheim ro', 'quiet rd.iscsi.password=*** ro'],
  ['A="rd.iscsi.in.password=x y"', 'A="rd.iscsi.in.password=*** y"'],
  ['netroot=iscsi:user:pw@10.0.0.1::::x', 'netroot=***'],
  ['rd.iscsi.initiator=iqn.x', 'rd.iscsi.initiator=iqn.x'],
] as const) {
  test(`secrets: ${text}`, (t) => t.is(maskSecrets(text), masked))
}
