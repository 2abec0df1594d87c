import * as fc from 'fast-check'

/** Byte strings: any bytes, and dense mixtures of what the grammars care about. */
export function anyBytes(): fc.Arbitrary<string> {
  const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))
  return fc.oneof(fc.string({ unit: byte }), fc.string({ unit: fc.constantFrom(...dense), maxLength: 40 }))
}

const dense = [
  ...'abA_-=.,:;#\'"\\`$(){}[]<>|&!~*? \t\n\r\0\xa0\xff019'.split(''),
  '\\\n',
  '\r\n',
  'VAR=',
  'options ',
  'blacklist ',
  'softdep ',
  ' pre: ',
  'if ',
  ' then ',
  ' fi',
  '$VAR',
  '${VAR:-',
  'menuentry ',
  '{\n',
  '}\n',
  'linux /v ',
  '### BEGIN /etc/grub.d/10_linux ###\n',
  'set default=',
  '<<X\n',
  '$((',
  'hugepages=',
]
