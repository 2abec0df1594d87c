import { createHash } from 'node:crypto'

/**
 * What is common to every program that is run on a host: the line of shell that starts before the program is sent.
 *
 * The line has no single quote, backslash, `!` or line end, so that sh, bash, zsh, csh and fish alike hand it on as it
 * is when it stands between single quotes. It is called as `sh -c BOOT passway NONCE [SSH_CONNECTION]`.
 *
 * 1. prints `passway-ready NONCE`;
 * 2. reads one line, `SEPARATOR LENGTH SHA256` (of separator and spool), then everything up to the end of input;
 * 3. prints `passway-spool-mismatch NONCE WHAT` and exits with 97 unless length and hash are right: of a connection
 *    that was cut nothing is run;
 * 4. splits at the separator into program and data, and runs the program in a subshell with $1 = data,
 *    $2 = SSH_CONNECTION (empty without ssh), $3 = NONCE;
 * 5. prints an empty line and `passway-end NONCE STATUS`.
 *
 * The text is split by IFS because `${text#*x}` takes quadratic time in dash; the full stop keeps final newlines from
 * command substitution.
 */
export const bootLine = [
  'LC_ALL=C; export LC_ALL; n=$1; c=${2-${SSH_CONNECTION-}}',
  'm() { echo "passway-spool-mismatch $n $1"; exit 97; }',
  'echo "passway-ready $n"',
  'read -r s l h || m header',
  't=$(cat; echo .); t=${t%.}; [ "${#t}" = "$l" ] || m length',
  'd=$(printf %s "$s$t" | sha256sum); [ "${d%% *}" = "$h" ] || m hash',
  'set -f; IFS=$s; set -- $t; set +f; unset IFS t; p=$1; set -- "${2-}" "$c" "$n"',
  '(eval "$p"); e=$?; echo; echo "passway-end $n $e"',
].join('; ')

/** ASCII "record separator": in no program and, percent-encoded, in no data; shells use \001 and \177 internally. */
const separator = '\x1e'

/**
 * Program and data as they go to the standard input of `bootLine`. Both are ASCII: texts of ours, where other bytes
 * are percent-encoded. Throws otherwise, for that is a bug: a shell would count characters or drop bytes.
 */
export function formatSpool(program: string, data: string): string {
  const body = `${program}${separator}${data}`
  if (!/^[\t\n\x20-\x7e]*\x1e[\t\n\x20-\x7e]*$/.test(body)) throw new Error('a spool must be printable ASCII')
  const hash = createHash('sha256').update(`${separator}${body}`, 'latin1').digest('hex')
  return `${separator} ${body.length} ${hash}\n${body}`
}
