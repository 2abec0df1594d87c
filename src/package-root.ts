import { fileURLToPath } from 'node:url'

/** The package's own directory: this file stands one level below it both in src/ and, bundled, in dist/. */
export const packageRoot: string = fileURLToPath(new URL('..', import.meta.url))
