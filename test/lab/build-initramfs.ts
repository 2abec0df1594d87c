import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildDisk, check, exists, findCache } from './machine.ts'

const script = fileURLToPath(new URL('./build-initramfs.sh', import.meta.url))

/** The machine's disk as a file that can be mounted, made once for each disk. */
async function convertDisk(): Promise<string> {
  const image = await buildDisk()
  const raw = join(image, 'disk.raw')
  if (await exists(raw)) return raw
  await check('qemu-img', ['convert', '-q', '-O', 'raw', join(image, 'disk.qcow2'), `${raw}.new`])
  await rename(`${raw}.new`, raw)
  return raw
}

/** The image that the fresh machine would build for that kernel after these files were written. */
export async function buildInitramfs(files: Readonly<Record<string, string>>, release: string): Promise<Buffer> {
  const disk = await convertDisk()
  const work = await mkdtemp(join(findCache(), 'initramfs-'))
  try {
    await mkdir(join(work, 'files'))
    for (const [path, content] of Object.entries(files)) {
      const target = join(work, 'files', path)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, content)
    }
    await check(script, [disk, join(work, 'files'), release, join(work, 'image')])
    return await readFile(join(work, 'image'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
