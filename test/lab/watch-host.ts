import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from './machine.ts'

export type Watch = {
  /** Seconds until the host answered with nothing open and without a trial's token; throws after `seconds` more. */
  readonly settled: (seconds: number) => Promise<number>
  readonly stop: () => void
}

const isSettled = `cat /proc/sys/kernel/random/boot_id; cat /proc/cmdline
for d in /var/lib/passway/records/*/; do [ ! -f "$d/state" ] || echo "state $(cat "$d/state")"; done`

/**
 * On a busy computer the emulated timer sometimes dies early in a boot, and the kernel waits for ever: the lab's fault,
 * not the trial's. Such a boot is started again, and `onMended` told. Returns what ends the watch.
 */
export function mendTimer(machine: Machine, onMended: () => void): () => void {
  let starts = machine.starts()
  let seen = 0
  const timer = setInterval(() => {
    void machine.serialLog().then((text) => {
      const boot = text.slice(seen)
      if (machine.starts() !== starts) [starts, seen] = [machine.starts(), text.length]
      else if (boot.includes('Possible timer handling issue') && !/root: clean|passway:|lab login/.test(boot)) {
        onMended()
        seen = text.length
        machine.cutPower()
      }
    })
  }, 5000)
  return () => clearInterval(timer)
}

/** Asks the host every few seconds, beside the controller. */
export function watchHost(machine: Machine): Watch {
  const start = Date.now()
  const now: { isOn: boolean; settledAt: number | null } = { isOn: true, settledAt: null }
  const look = async (): Promise<void> => {
    while (now.isOn) {
      const { status, stdout } = await machine.ssh(isSettled)
      if (status === 0) {
        const isOpen = /^state (?:staged|armed|trial|confirmed)$/m.test(stdout)
        const isTrial = stdout.includes('passway.txn=') && !stdout.includes('state committed')
        if (isOpen || isTrial) now.settledAt = null
        else now.settledAt ??= (Date.now() - start) / 1000
      } else now.settledAt = null
      await sleep(4000)
    }
  }
  void look()
  const settled = async (seconds: number): Promise<number> => {
    const end = Date.now() + seconds * 1000
    while (now.settledAt === null && Date.now() < end) await sleep(1000)
    if (now.settledAt === null)
      throw new Error(`the host was not back within ${seconds} s more\n${(await machine.serialLog()).slice(-3000)}`)
    return now.settledAt
  }
  return { settled, stop: () => void (now.isOn = false) }
}
