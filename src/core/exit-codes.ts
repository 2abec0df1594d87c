/** Exit codes of the command, as the README lists them; the first that applies wins in the order 70, 64, 1, 4, 2, 0. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  changesWanted: 2,
  unreachable: 4,
  usage: 64,
  bug: 70,
  interrupted: 130,
  terminated: 143,
  hungUp: 129,
} as const
