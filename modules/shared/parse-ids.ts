import { error, note } from '../../src/core/diagnostic.ts'
import type { ModuleDiagnostic } from '../../src/core/module.ts'
import { formatPciId, parsePciId } from '../../src/pci/id.ts'
import type { PciId } from '../../src/pci/id.ts'

/** An id and the item of the parameter that gave it first. */
export type ListedId = PciId & { readonly path: readonly (string | number)[] }

export type ParsedIds = { readonly ids: readonly ListedId[]; readonly diagnostics: readonly ModuleDiagnostic[] }

/** Ids of the parameter `ids`, without repeats; an address among them is named as such, as the kernel would take it in silence. */
export function parseIds(texts: readonly string[]): ParsedIds {
  const ids = new Map<string, ListedId>()
  const diagnostics: ModuleDiagnostic[] = []
  for (const [index, text] of texts.entries()) {
    const path = ['ids', index]
    const parsed = parsePciId(text)
    if (!parsed.ok) {
      const code = parsed.address === undefined ? 'ID_INVALID' : 'ADDRESS_AS_ID'
      diagnostics.push({ ...error(code, parsed.message, parsed.hint === undefined ? {} : { hint: parsed.hint }), path })
      continue
    }
    const id = formatPciId(parsed.id)
    if (ids.has(id)) diagnostics.push({ ...note('ID_TWICE', `${id} is listed twice`), path })
    else ids.set(id, { ...parsed.id, path })
  }
  return { ids: [...ids.values()], diagnostics }
}
