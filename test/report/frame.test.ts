import test from 'ava'
import { error } from '../../src/core/diagnostic.ts'
import { renderDiagnostic } from '../../src/report/frame.ts'
import { choosePaint } from '../../src/report/paint.ts'

const paint = choosePaint({ isTerminal: false, noColor: false, environment: {} })

test('a diagnostic has place, code, line, caret and hint', (t) => {
  const source = { file: 'playbooks/gpu.yaml', line: 12, column: 7, length: 6, text: '      device: 10de:1c82' }
  const diagnostic = error('PARAM_UNKNOWN', 'vfio_ids has no parameter "device"', {
    source,
    hint: 'did you mean "devices"?',
  })
  t.is(
    renderDiagnostic(diagnostic, { paint }),
    [
      'playbooks/gpu.yaml:12:7: error PARAM_UNKNOWN: vfio_ids has no parameter "device"',
      '   12 |       device: 10de:1c82',
      '      |       ^^^^^^',
      '   hint: did you mean "devices"?',
    ].join('\n'),
  )
})

test('what a host says cannot act on the terminal', (t) => {
  const text = renderDiagnostic(error('X', 'bad', { evidence: ['\u001b[2Jgone', 'a\u202eb'] }), { paint })
  t.false(text.includes('\u001b'))
  t.true(text.includes(String.raw`\x1b[2Jgone`))
  t.true(text.includes(String.raw`a\u202eb`))
})

test('a long line is shown around the marked place', (t) => {
  const text = `${'x'.repeat(500)}HERE${'y'.repeat(500)}`
  const rendered = renderDiagnostic(error('X', 'm', { source: { file: 'f', line: 1, column: 501, length: 4, text } }), {
    paint,
  })
  const [, line = '', carets = ''] = rendered.split('\n')
  t.true(line.length < 130)
  t.is(line.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1), 'HERE')
})

test('a line that fits is shown whole, also where the mark is far to the right', (t) => {
  const text = `${'x'.repeat(90)}HERE`
  const source = { file: 'f', line: 1, column: 91, length: 4, text }
  t.true(renderDiagnostic(error('X', 'm', { source }), { paint }).includes(`| ${text}\n`))
})

test('on a terminal sentences are broken at its width, elsewhere never', (t) => {
  const found = error('X', 'one two three four five six seven', { hint: 'eight nine ten eleven', evidence: ['a b c'] })
  t.is(
    renderDiagnostic(found, { paint, width: 24, isWrapped: true }),
    [
      'error X: one two three',
      '   four five six seven',
      '   seen: a b c',
      '   hint: eight nine ten',
      '         eleven',
    ].join('\n'),
  )
  t.is(renderDiagnostic(found, { paint, width: 24, isWrapped: false }).split('\n').length, 3)
})

test('colour only on a terminal, and not against the wish', (t) => {
  const isColoured = (options: Parameters<typeof choosePaint>[0]): boolean => choosePaint(options).error('x') !== 'x'
  t.true(isColoured({ isTerminal: true, noColor: false, environment: {} }))
  t.false(isColoured({ isTerminal: false, noColor: false, environment: {} }))
  t.false(isColoured({ isTerminal: true, noColor: true, environment: {} }))
  t.false(isColoured({ isTerminal: true, noColor: false, environment: { NO_COLOR: '1' } }))
  t.false(isColoured({ isTerminal: true, noColor: false, environment: { TERM: 'dumb' } }))
})
