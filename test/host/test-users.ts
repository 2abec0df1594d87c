import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './sshd.ts'

export type TestUser = { readonly name: string; readonly home: string; readonly password: string }

/** Accounts of this machine that exist only while a test runs. */
export type TestUsers = {
  readonly add: (kind: string, shell: string) => TestUser
  readonly allowSudo: (lines: readonly string[]) => void
  readonly removeAll: () => void
}

/** Why no accounts can be made here; null when they can. */
export function findUsersObstacle(): string | null {
  if (process.getuid?.() !== 0) return 'needs root to add users'
  if (!existsSync('/usr/sbin/useradd') || !existsSync('/usr/sbin/chpasswd')) return 'useradd is not installed'
  return null
}

export function createTestUsers(directory: string): TestUsers {
  const names: string[] = []
  const sudoers = `/etc/sudoers.d/passway-test-${process.pid}`
  return {
    add: (kind, shell) => {
      const name = `pw${process.pid}${kind}`
      const home = join(directory, name)
      const password = `secret-${kind}-${Math.random().toString(36).slice(2)}`
      run('/usr/sbin/useradd', '-M', '-d', home, '-s', shell, name)
      names.push(name)
      mkdirSync(home)
      run('chown', name, home)
      // Without PAM sshd lets nobody in whose password is locked.
      run('sh', '-c', 'echo "$1:$2" | /usr/sbin/chpasswd', 'sh', name, password)
      return { name, home, password }
    },
    allowSudo: (lines) => writeFileSync(sudoers, `${lines.join('\n')}\n`, { mode: 0o440 }),
    removeAll: () => {
      rmSync(sudoers, { force: true })
      for (const name of names) {
        run('/usr/sbin/userdel', '-f', name)
        rmSync(`/run/sudo/ts/${name}`, { force: true })
      }
    },
  }
}
