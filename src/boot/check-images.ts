import { createHash } from 'node:crypto'
import type { Bytes } from '../core/bytes.ts'
import { findContent } from '../core/snapshot.ts'
import type { ImageListing, InstalledKernel, Snapshot } from '../core/snapshot.ts'
import { foldName } from './fold-name.ts'
import { ownModprobePath } from './modprobe-files.ts'
import type { MergedClaim } from './tasked.ts'
import { noteOutdated } from './workspace.ts'
import type { Workspace } from './workspace.ts'

export function hashBytes(content: Bytes): string {
  return createHash('sha256').update(Buffer.from(content, 'latin1')).digest('hex')
}

/** Claims of which an image holds a copy. */
export function concernsImage({ claim }: MergedClaim): boolean {
  return ['early-module', 'module-option', 'softdep', 'blacklist'].includes(claim.of)
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
  if (claim.of !== 'early-module') return hasOwnFile(snapshot, listing)
  if (claim.want === 'absent') return true
  const module = foldName(claim.module)
  if (kernel.modules.get(module) !== 'loadable') return true
  return (
    listing.modules.some((name) => foldName(name) === module) && listing.early.some((name) => foldName(name) === module)
  )
}

function hasOwnFile(snapshot: Snapshot, listing: ImageListing): boolean {
  const content = findContent(snapshot, ownModprobePath)
  const copy = listing.configuration.get(ownModprobePath.slice(1))
  return content === undefined ? copy === undefined : copy === hashBytes(content)
}
