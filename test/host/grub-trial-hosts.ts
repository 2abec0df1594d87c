import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  bootTools,
  change,
  file,
  inMiniHost,
  makeMiniHost,
  noExpectation,
  planOf,
  settleMiniHost,
  writeTool,
} from './agent-hosts.ts'
import { addTrialTools, bootInto, runEarlyUnit } from './trial-hosts.ts'

/** A host whose GRUB can write beside grub.cfg, where a boot can be tried; `environment` is what GRUB clears. */
export const environment = '/boot/grub/passway.env'

export const options = 'options vfio-pci ids=10de:1c82\n'

const grubBefore = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n'

export function grubTrialPlan(argument = 'iommu=pt') {
  const grubAfter = grubBefore.replace('quiet', `quiet iommu=pt`)
  return planOf(
    [
      change('file', '/etc/default/grub', file(grubBefore), file(grubAfter)),
      change('file', '/etc/modprobe.d/passway.conf', null, file(options)),
    ],
    {
      regenerate: ['initramfs', 'boot-loader'],
      reboot: 'needed',
      expectation: { ...noExpectation, normalArguments: ['quiet', argument] },
    },
  )
}

/** `--target=WHAT PATH`, for / on ext4 of a plain partition. */
const grubProbe = `#!/bin/sh
case $1 in
  --target=fs) echo ext2 ;;
  --target=fs_uuid) echo uuid ;;
  --target=abstraction) cat /etc/abstraction 2>/dev/null || : ;;
esac
`

/** Makes the file where there is none, for whatever it is told to do; writes in place. */
const grubEditenv = `#!/bin/sh
[ ! -e /etc/no-environment ] || { echo "grub-editenv: error: cannot open" >&2; exit 1; }
[ -f "$1" ] || echo "# GRUB Environment Block" >"$1"
case $2 in
  set) rest=$(grep -v "^\${3%%=*}=" "$1"); { echo "$rest"; echo "$3"; } >"$1" ;;
  unset) rest=$(grep -v "^$3=" "$1"); echo "$rest" >"$1" ;;
  list) grep -v '^#' "$1" || : ;;
esac
`

export function makeGrubTrialHost(t: ExecutionContext): string {
  const root = makeMiniHost(t, { tools: bootTools })
  settleMiniHost(root)
  // Reads custom.cfg at its end, as 41_custom of grub-common makes it.
  const mkconfig = bootTools['/usr/sbin/grub-mkconfig']?.replace('} >$2.new', '  echo "source custom.cfg"\n} >$2.new')
  writeTool(root, '/usr/sbin/grub-mkconfig', mkconfig ?? '')
  inMiniHost(root, 'grub-mkconfig -o /boot/grub/grub.cfg')
  writeTool(root, '/usr/bin/grub-probe', grubProbe)
  writeTool(root, '/usr/bin/grub-editenv', grubEditenv)
  return addTrialTools(root)
}

/** What GRUB was told to do once. */
export function readArmed(root: string): string | null {
  const path = join(root, environment)
  const text = existsSync(path) ? readFileSync(path, 'latin1') : ''
  return /^passway_trial=(.+)$/m.exec(text)?.[1] ?? null
}

/** GRUB clears its variable, then boots; `id`: the trial of that record. */
export function bootGrub(root: string, id: string | null, isEarlyRun = true): void {
  if (readArmed(root) !== null) inMiniHost(root, `grub-editenv ${environment} set passway_trial=`)
  const line = 'BOOT_IMAGE=/boot/vmlinuz root=UUID=uuid ro console=ttyS0 quiet'
  bootInto(root, id === null ? line : `${line} iommu=pt passway.txn=${id} panic=30`)
  if (isEarlyRun) runEarlyUnit(root)
}
