import { error, note } from '../../src/core/diagnostic.ts'
import type { Diagnostic } from '../../src/core/diagnostic.ts'
import { formatPciId, parsePciId } from '../../src/pci/id.ts'
import type { PciId } from '../../src/pci/id.ts'

export type ParsedIds = { readonly ids: readonly PciId[]; readonly diagnostics: readonly Diagnostic[] }

/** Ids of a parameter, without repeats; an address among them is named as such, as the kernel would take it in silence. */
export function parseIds(texts: readonly string[]): ParsedIds {
  const ids = new Map<string, PciId>()
  const diagnostics: Diagnostic[] = []
  for (const text of texts) {
    const parsed = parsePciId(text)
    if (!parsed.ok) {
      const code = parsed.address === undefined ? 'ID_INVALID' : 'ADDRESS_AS_ID'
      diagnostics.push(error(code, parsed.message, parsed.hint === undefined ? {} : { hint: parsed.hint }))
      continue
    }
    const id = formatPciId(parsed.id)
    if (ids.has(id)) diagnostics.push(note('ID_TWICE', `${id} is listed twice`))
    ids.set(id, parsed.id)
  }
  return { ids: [...ids.values()], diagnostics }
}
