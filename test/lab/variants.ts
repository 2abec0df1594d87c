import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/** What boots and from where; ../build-machine.sh says what each is. */
export const variantNames = ['bios-ext4', 'uefi-btrfs', 'uefi-lvm', 'systemd-boot'] as const

export type Variant = (typeof variantNames)[number]

/** The package ovmf; its variables are a file of each run. */
const firmware = '/usr/share/OVMF/OVMF_CODE_4M.fd'
const variables = '/usr/share/OVMF/OVMF_VARS_4M.fd'

export function hasUefi(variant: Variant): boolean {
  return variant !== 'bios-ext4'
}

/** What a variant needs of this computer beside what every one needs: a command or a file. */
export function listVariantNeeds(variant: Variant): { readonly tools: string[]; readonly files: string[] } {
  if (!hasUefi(variant)) return { tools: [], files: [] }
  const own = variant === 'uefi-btrfs' ? ['mkfs.btrfs'] : variant === 'uefi-lvm' ? ['lvm'] : []
  return { tools: ['mkfs.vfat', 'mcopy', ...own], files: [firmware, variables] }
}

/** The file of variables is `vars.fd` in the current directory. */
export function firmwareArguments(variant: Variant): string[] {
  if (!hasUefi(variant)) return []
  return ['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${firmware}`].concat([
    '-drive',
    'if=pflash,unit=1,format=raw,file=vars.fd',
  ])
}

/** Puts the firmware's variables as `base` left them (an earlier run's directory), or empty ones, into a run's directory. */
export async function placeVariables(variant: Variant, directory: string, base: string | undefined): Promise<void> {
  if (!hasUefi(variant)) return
  await mkdir(directory, { recursive: true })
  await copyFile(base === undefined ? variables : join(base, 'vars.fd'), join(directory, 'vars.fd'))
}
