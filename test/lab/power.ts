import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export type Power = {
  readonly isOn: () => boolean
  /** QEMU writes out what the machine's disk holds, as a disk does; what is in the machine's memory is lost. */
  readonly cut: () => void
  readonly switchOff: () => Promise<void>
  /** The machine switched itself off, was switched off, or QEMU failed. */
  readonly ended: Promise<void>
  /** How often it was powered on, resets included. */
  readonly starts: () => number
  /** How often QEMU failed an assertion of its own, and was started again: a power cut that nobody asked for. */
  readonly crashes: () => number
}

/** QEMU dies with the process that started it, however that ends. */
function startQemu(directory: string, args: readonly string[]): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    cwd: directory,
    stdio: ['ignore', 'ignore', openSync(join(directory, 'qemu.log'), 'a')],
  })
  process.on('exit', () => child.kill('SIGKILL'))
  return child
}

/**
 * A reset ends QEMU (`-no-reboot`) and a new one starts: after a reset in place, emulation needs a minute for what takes
 * seconds after a cold start. `listArguments` is asked at each start; without `restart` the first end is the last.
 *
 * QEMU 10.0 sometimes aborts while the firmware places devices (`iotlb_to_section: Assertion … failed`).
 */
export function powerOn(directory: string, listArguments: (start: number) => string[], restart: boolean): Power {
  let isOn = true
  let starts = 0
  let crashes = 0
  let current: ChildProcess
  const ended = new Promise<void>((resolve) => {
    const start = (): void => {
      current = startQemu(directory, listArguments(starts))
      starts += 1
      current.once('close', (code, signal) => {
        const isCrash = signal === 'SIGABRT' && crashes < 3
        if (isCrash) {
          crashes += 1
          process.stderr.write(
            `lab: QEMU crashed: ${readFileSync(join(directory, 'qemu.log'), 'latin1').slice(-300)}\n`,
          )
        }
        if (isOn && (isCrash || (restart && code === 0))) return start()
        isOn = false
        resolve()
      })
    }
    start()
  })
  async function switchOff(): Promise<void> {
    isOn = false
    current.kill('SIGKILL')
    await ended
  }
  const cut = (): void => void current.kill('SIGTERM')
  return { isOn: () => isOn, cut, switchOff, ended, starts: () => starts, crashes: () => crashes }
}

/** One command to QEMU's monitor (QMP, a socket of the run); throws with what QEMU answers. */
export function askMonitor(directory: string, execute: string, args: Readonly<Record<string, unknown>> = {}) {
  return new Promise<unknown>((resolve, reject) => {
    const socket = connect(join(directory, 'qmp.sock'))
    const lines = createInterface({ input: socket })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`QEMU ended during ${execute}`)))
    socket.write(`{"execute":"qmp_capabilities"}\n${JSON.stringify({ execute, arguments: args, id: 'lab' })}\n`)
    lines.on('line', (line) => {
      const answer = JSON.parse(line) as { id?: string; return?: unknown; error?: { desc: string } }
      if (answer.error !== undefined) reject(new Error(`${execute}: ${answer.error.desc}`))
      else if (answer.id === 'lab') resolve(answer.return)
      else return
      socket.destroy()
    })
  })
}
