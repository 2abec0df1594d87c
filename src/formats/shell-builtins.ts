/**
 * What a command that dash itself runs may do to variables: `declares` assigns its words, `sets` sets the names it is
 * given, `options` is harmless with plain options only, `any` may change everything, `stops` may end the reading, `bash` is a builtin
 * that dash lacks.
 */
export type ShellBuiltin = {
  readonly effect: 'none' | 'declares' | 'unsets' | 'sets' | 'options' | 'any' | 'stops' | 'bash'
  /** Special builtins (POSIX): assignments before them stay. */
  readonly special: boolean
}

const builtins: ReadonlyMap<string, ShellBuiltin> = new Map([
  ...list('none', true, [':', 'times', 'trap', 'break', 'continue']),
  ...list('declares', true, ['export', 'readonly']),
  ...list('unsets', true, ['unset']),
  ...list('options', true, ['set']),
  ...list('any', true, ['.', 'eval', 'shift']),
  ...list('stops', true, ['exec', 'exit', 'return']),
  ...list('none', false, [
    'true',
    'echo',
    'printf',
    '[',
    'test',
    'cd',
    'pwd',
    'kill',
    'wait',
    'jobs',
    'umask',
    'ulimit',
    'type',
    'hash',
  ]),
  ...list('sets', false, ['read', 'getopts', 'local']),
  ...list('any', false, ['alias', 'unalias', 'command', 'fc', 'bg', 'fg']),
  ...list('bash', false, ['source', 'declare', 'typeset', 'let', 'mapfile']),
])

function list(effect: ShellBuiltin['effect'], special: boolean, names: readonly string[]) {
  return names.map((name): [string, ShellBuiltin] => [name, { effect, special }])
}

export function findBuiltin(name: string): ShellBuiltin | undefined {
  return builtins.get(name)
}

const programs = new Set(
  'awk basename cat chmod chown cp cut date dirname dpkg env expr find findmnt getent grep head hostname id install ln ls lsb_release lsblk mkdir mktemp mv nproc readlink rm rmdir sed sleep sort stat tail tee touch tr uname uniq wc which'.split(
    ' ',
  ),
)

/** True where a line was meant as a command: a program every host has, or a path. A word of a broken assignment is not. */
export function isLikelyCommand(name: string, assigned: boolean): boolean {
  return programs.has(name) || (!assigned && /^\/[\w./-]+$/.test(name))
}
