import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, findCache } from './machine.ts'
import { powerOn } from './power.ts'
import { qemuArguments } from './topologies.ts'

/** A kernel and an image that boot over the disk of a host that does not boot; `steps` run as root. */
export type RescueSystem = {
  readonly disk: string
  readonly kernel: string
  readonly initrd: string
  /** Put into the image: path below its root → content; those that begin with `#!` may be run. */
  readonly files: Readonly<Record<string, string>>
  /** Files of this computer that are put there too: path here → path there. */
  readonly copied: Readonly<Record<string, string>>
  readonly commandLine: string
}

/** Boots it until it switches itself off; what it said on the console. Throws after `seconds`. */
export async function runRescue(system: RescueSystem, seconds: number): Promise<string> {
  const directory = await mkdtemp(join(findCache(), 'rescue-'))
  try {
    const initrd = await buildImage(system, directory)
    const power = powerOn(
      directory,
      () =>
        qemuArguments({ topology: 'desktop', intremap: true, port: 0, disk: system.disk }).concat([
          '-kernel',
          system.kernel,
          '-initrd',
          initrd,
          '-append',
          system.commandLine,
        ]),
      false,
    )
    const isEnded = await Promise.race([power.ended.then(() => true), sleep(seconds * 1000, false)])
    await power.switchOff()
    const said = await readFile(join(directory, 'serial.log'), 'latin1').catch(() => '')
    if (!isEnded) throw new Error(`the rescue system did not end within ${seconds} s\n${said.slice(-3000)}`)
    return said
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Another archive behind that of the image: the kernel unpacks both (Documentation/driver-api/early-userspace/buffer-format.rst). */
async function buildImage({ initrd, files, copied }: RescueSystem, directory: string): Promise<string> {
  const tree = join(directory, 'tree')
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), content)
    if (content.startsWith('#!')) await chmod(join(tree, path), 0o755)
  }
  for (const [from, to] of Object.entries(copied)) await cp(from, join(tree, to), { dereference: true })
  const image = join(directory, 'initrd')
  await check('sh', [
    '-c',
    'cp "$1" "$2" && truncate -s %4 "$2" && cd "$3" && find . | cpio -o -H newc --quiet >> "$2"',
    'sh',
    initrd,
    image,
    tree,
  ])
  return image
}
