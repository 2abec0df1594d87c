import type { Diagnostic } from '../core/diagnostic.ts'
import type { HostAddress } from '../core/host-address.ts'
import type { ImageListing } from '../core/snapshot.ts'
import { formatCall } from './bundle.ts'
import { parseImages } from './parse-records.ts'
import { runAgent, type AgentOptions } from './run-agent.ts'

export type ImagesResult = {
  readonly images: readonly ImageListing[]
  /** Warnings: a plan without the listing is a plan all the same. */
  readonly diagnostics: readonly Diagnostic[]
}

/** Has the host unpack its images beside and tell what is in them; nothing of that stays there. */
export async function readImages(
  host: HostAddress,
  options: Pick<AgentOptions, 'signal' | 'master'> & { readonly by: string },
): Promise<ImagesResult> {
  const run = await runAgent(host, formatCall({ verb: 'images', root: host.root, controller: options.by }), options)
  return {
    images: parseImages(run.output.toString('latin1')),
    diagnostics: run.diagnostics.map((each) => ({ ...each, severity: 'warning' })),
  }
}
