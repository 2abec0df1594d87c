import { error, note, type Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import { startChild } from './start-child.ts'

const timeLimitMs = 120_000

/**
 * Runs the command of `passway_power` on this machine, which cycles the power of a host that hangs. It is started by its
 * argument list; the host's name reaches it as PASSWAY_HOST, its address as PASSWAY_ADDRESS.
 */
export async function cyclePower(host: HostAddress, command: readonly string[]): Promise<Diagnostic> {
  let output = ''
  let isLate = false
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString('utf8')).slice(-8192))
  const child = startChild(command, {
    detached: true,
    environment: { PASSWAY_HOST: host.name, PASSWAY_ADDRESS: host.address },
    onStdout: keep,
    onStderr: keep,
  })
  child.finish()
  const timer = setTimeout(() => {
    isLate = true
    child.stop()
  }, timeLimitMs)
  const { status } = await child.ended
  clearTimeout(timer)
  const [program = ''] = command
  if (status === 0) return note('POWER_CYCLED', `${program} (passway_power) cycled the power of ${host.name}`)
  const how = isLate ? `did not end within ${timeLimitMs / 1000} seconds` : `ended with status ${status ?? '?'}`
  const evidence = output.split('\n').filter((line) => line !== '')
  return error('POWER_FAILED', `${program} (passway_power) ${how}`, { evidence: evidence.slice(-8) })
}
