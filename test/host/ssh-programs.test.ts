import test from 'ava'
import { formatSpool } from '../../src/host/bootstrap.ts'
import { readAgentProgram, readProbeProgram } from '../../src/host/programs.ts'

test('the programs can be sent, and run only once they are whole', (t) => {
  for (const program of [readProbeProgram(), readAgentProgram()]) {
    t.notThrows(() => formatSpool(program, ''))
    t.regex(program, /\nmain "\$@"\n$/)
  }
})
