import { sectionLines, type ProbeOutput } from './probe-sections.ts'

/** Names of pci.ids by `vvvv` and `vvvv:dddd`, of the functions that the host has. */
export function parsePciNames(output: ProbeOutput): Map<string, string> {
  const ids = new Set(
    sectionLines(output, 'pci').flatMap((line) => /:PCI_ID=(\S+)$/.exec(line)?.[1]?.toLowerCase() ?? []),
  )
  const vendors = new Set([...ids].map((id) => id.split(':', 1)[0]))
  const names = new Map<string, string>()
  let vendor = ''
  for (const line of sectionLines(output, 'pci-names')) {
    const match = /^(\t?)([0-9a-f]{4}) {2}(.+)$/.exec(line)
    if (!match) continue
    const [, tab, id = '', name = ''] = match
    if (tab === '') vendor = id
    const key = tab === '' ? id : `${vendor}:${id}`
    if (ids.has(key) || vendors.has(key)) names.set(key, Buffer.from(name, 'latin1').toString('utf8').trim())
  }
  return names
}
