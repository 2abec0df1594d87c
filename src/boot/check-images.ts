import { createHash } from 'node:crypto'
import type { Bytes } from '../core/bytes.ts'
import { findContent } from '../core/snapshot.ts'
import type { ImageListing, InstalledKernel, Snapshot } from '../core/snapshot.ts'
import { matchesModule, parseModprobe } from '../formats/modprobe.ts'
import { driverRulesInImage, driverRulesPath } from './driver-rules.ts'
import { foldName } from '../core/fold-name.ts'
import { listFiles } from './list-files.ts'
import { ownModprobePath } from './modprobe-files.ts'
import type { MergedClaim } from './tasked.ts'
import { noteOutdated } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export function hashBytes(content: Bytes): string {
  return createHash('sha256').update(Buffer.from(content, 'latin1')).digest('hex')
}

/** Claims of which an image holds a copy. */
export function concernsImage({ claim }: MergedClaim): boolean {
  return ['early-module', 'module-option', 'softdep', 'driver'].includes(claim.of)
}

/**
 * Compares the images with what they should hold, by the listing that was kept when they were last read back. An image
 * that was built since by somebody else is not known; that is said, and is no change.
 */
export function checkImages(workspace: Workspace, claims: readonly MergedClaim[]): void {
  const { snapshot } = workspace
  const concerned = claims.filter(concernsImage)
  if (concerned.length === 0) return
  for (const kernel of snapshot.kernels) {
    if (kernel.initrd === null) continue
    const listing = findListing(snapshot, kernel.initrd)
    if (listing === undefined) {
      const why = 'what it holds was not read back since it was built'
      workspace.uncertain.push({ code: 'IMAGE_NOT_LISTED', what: kernel.initrd.path, why })
      continue
    }
    const stale = concerned.filter((merged) => !isInImage(snapshot, kernel, listing, merged))
    if (stale.length > 0)
      noteOutdated(
        workspace,
        'initramfs',
        stale.flatMap(({ tasks }) => tasks),
      )
  }
}

/** The listing of just this build of the image. */
export function findListing(
  snapshot: Snapshot,
  initrd: NonNullable<InstalledKernel['initrd']>,
): ImageListing | undefined {
  return snapshot.images.find(
    ({ path, inode, size, mtime }) =>
      path === initrd.path && inode === initrd.inode && size === initrd.size && mtime === initrd.mtime,
  )
}

function isInImage(
  snapshot: Snapshot,
  kernel: InstalledKernel,
  listing: ImageListing,
  { claim }: MergedClaim,
): boolean {
  if (claim.of === 'module-option' || claim.of === 'softdep') return hasFiles(snapshot, listing, claim.module)
  if (claim.of === 'driver') return hasDriverRules(snapshot, listing)
  if (claim.of !== 'early-module') return true
  if (claim.want === 'absent') return true
  const module = foldName(claim.module)
  if (kernel.modules.get(module) !== 'loadable') return true
  return (
    listing.modules.some((name) => foldName(name) === module) && listing.early.some((name) => foldName(name) === module)
  )
}

function hasDriverRules(snapshot: Snapshot, listing: ImageListing): boolean {
  const content = findContent(snapshot, driverRulesPath)
  const copies = driverRulesInImage.flatMap((path) => listing.configuration.get(path) ?? [])
  return content === undefined ? copies.length === 0 : copies.includes(hashBytes(content))
}

/** The image's copies of passway's own file, and of all others with a line about the module, are as the files are now. */
function hasFiles(snapshot: Snapshot, listing: ImageListing, module: string): boolean {
  const others = listFiles(snapshot, '/etc/modprobe.d', '.conf').filter((path) => isAbout(snapshot, path, module))
  return [ownModprobePath, ...others].every((path) => {
    const content = findContent(snapshot, path)
    const copy = listing.configuration.get(path.slice(1))
    return content === undefined ? copy === undefined : copy === hashBytes(content)
  })
}

function isAbout(snapshot: Snapshot, path: string, module: string): boolean {
  const { lines } = parseModprobe(findContent(snapshot, path) ?? '')
  return lines.some(
    (line) => ['options', 'softdep', 'blacklist'].includes(line.kind) && matchesModule(line.module, module),
  )
}
