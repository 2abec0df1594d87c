import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cli } from '../lab/passway.ts'
import type { BenchHost } from './bench-hosts.ts'
import { sample } from './measure.ts'
import type { Program } from './measure.ts'

const forks = '20'

/** The bare minimum for reaching a host: what every other time is compared with. */
function bareSsh({ server }: BenchHost): Program {
  const options = ['-T', '-o', 'BatchMode=yes', '-p', String(server.port)]
  return { command: 'ssh', args: [...server.commonArgs, ...options, '--', '127.0.0.1', 'true'] }
}

/** Seconds until all of them, started at once, have ended. */
export async function runBareSsh(hosts: readonly BenchHost[]): Promise<number> {
  const start = performance.now()
  await Promise.all(hosts.map((host) => sample(bareSsh(host))))
  return (performance.now() - start) / 1000
}

export function passwayPlan(directory: string, inventory: string, playbook: string): Program {
  return {
    command: process.execPath,
    args: [cli, 'plan', playbook, '-i', inventory, '--forks', forks],
    env: { XDG_STATE_HOME: join(directory, 'state'), NO_COLOR: '1' },
  }
}

/** Check mode with pipelining; a control path of its own, so that every run pays for its connections as passway does. */
export function ansibleCheck(directory: string, inventory: string): Program {
  const playbook = fileURLToPath(new URL('./ansible-playbook.yaml', import.meta.url))
  return {
    command: 'ansible-playbook',
    args: ['--check', '--diff', '--forks', forks, '-i', inventory, playbook],
    env: {
      ANSIBLE_PIPELINING: 'True',
      ANSIBLE_SSH_ARGS: '-C -o ControlMaster=auto -o ControlPersist=10s',
      ANSIBLE_SSH_CONTROL_PATH_DIR: mkdtempSync(join(directory, 'cp')),
      ANSIBLE_LOCALHOST_WARNING: 'False',
      ANSIBLE_NOCOLOR: '1',
    },
  }
}

/** The demo's playbook, which uses all eight modules, for every host. */
export function writePlaybook(directory: string): string {
  const path = join(directory, 'playbook.yaml')
  const demo = readFileSync(new URL('../../playbooks/demo/playbook.yaml', import.meta.url), 'utf8')
  writeFileSync(path, demo.replace(/^ {2}hosts: .*$/m, '  hosts: all'))
  return path
}
