import type { HostAddress } from '../core/host-address.ts'
import { escapeForTerminal } from '../report/escape.ts'
import { formatDuration, formatTime } from '../report/time-text.ts'
import { rebootTimeout } from './await-return.ts'
import { commandLine } from './next-commands.ts'
import type { RunContext } from './run-context.ts'

type WayBack = {
  readonly record: string
  /** See rescueLines. */
  readonly rescue: readonly string[]
  /** null: no trial; the boot that comes stays. */
  readonly confirmWithinMs: number | null
}

/** Before every reboot: what the host does by when, and what a person at its console can do. Never on a tree. */
export function tellWayBack(context: RunContext, { name, root, connection }: HostAddress, way: WayBack): void {
  if (root !== null) return
  const told = [
    ...(way.confirmWithinMs === null ? [] : describeTrial(context, name, way.record, way.confirmWithinMs)),
    ...(connection === 'local' && way.confirmWithinMs !== null
      ? [
          `${name}: this machine goes down now; log in again and run: ${commandLine(context, 'confirm', { host: name })}`,
        ]
      : []),
    `${name}: if it does not come back, at its console:`,
    ...way.rescue.map((line) => `  ${line}`),
  ]
  context.writeError(told.map((line) => `${escapeForTerminal(line)}\n`).join(''))
}

function describeTrial(context: RunContext, host: string, record: string, confirmWithinMs: number): string[] {
  const by = new Date(Date.now() + confirmWithinMs + rebootTimeout(context))
  const confirm = commandLine(context, 'confirm', { host })
  const abort = commandLine(context, 'rollback', { host, flags: ['--reboot'] })
  return [
    `${host}: it boots the trial of record ${record} once; unless that is confirmed within ${formatDuration(confirmWithinMs)} it takes everything back and boots what it had before, by ${formatTime(by)} at the latest`,
    `${host}: meanwhile from another terminal, to keep it: ${confirm}`,
    `${host}: or to take it back: ${abort}`,
  ]
}
