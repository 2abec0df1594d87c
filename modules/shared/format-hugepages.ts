import { parseSizeKb } from '../../src/formats/hugepage-arguments.ts'

/** `size` as in playbooks: `2M`, `1G`. */
export type PageRequest = { readonly size: string; readonly count: number; readonly node?: number | undefined }

/** Kilobytes; the schema has let only sizes through. */
export function sizeOf({ size }: Pick<PageRequest, 'size'>): number {
  return parseSizeKb(size) ?? 0
}

/** Where sysfs counts the pages of a request (Documentation/admin-guide/mm/hugetlbpage.rst). */
export function hugepageAttribute(request: PageRequest): string {
  const pool = `hugepages/hugepages-${sizeOf(request)}kB/nr_hugepages`
  return request.node === undefined ? `/sys/kernel/mm/${pool}` : `/sys/devices/system/node/node${request.node}/${pool}`
}

/** Every path that `hugepageAttribute` can give. */
export const hugepagePatterns = [
  '/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages',
  '/sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages',
] as const

/** `default_hugepagesz=1G hugepagesz=1G hugepages=0:8,1:8 …`: each count binds to the size before it. */
export function formatBootArguments(pages: readonly PageRequest[]): readonly string[] {
  const sizes = [...new Set(pages.map(({ size }) => size))]
  const pairs = sizes.flatMap((size) => {
    const requests = pages.filter((request) => request.size === size)
    return [`hugepagesz=${size}`, `hugepages=${formatCount(requests)}`]
  })
  return [`default_hugepagesz=${sizes[0]}`, ...pairs]
}

function formatCount(requests: readonly PageRequest[]): string {
  return requests.map(({ node, count }) => (node === undefined ? String(count) : `${node}:${count}`)).join(',')
}

/** Lines of tmpfiles.d(5): `w` writes an argument to a file that is there. */
export function formatTmpfiles(pages: readonly PageRequest[]): string {
  const lines = pages.map((request) => `w ${hugepageAttribute(request)} - - - - ${request.count}`)
  return ['# Written by passway (module hugepages).', ...lines, ''].join('\n')
}
