import { findFile } from '../core/snapshot.ts'
import type { ImageListing, InstalledKernel, Snapshot } from '../core/snapshot.ts'
import { findListing, hashBytes } from './check-images.ts'
import { foldName } from '../core/fold-name.ts'
import { composeKmodConfiguration, findSoftdep } from './kmod-configuration.ts'
import type { KmodConfiguration } from './kmod-configuration.ts'
import { listFiles } from './list-files.ts'
import { findNeeds } from './module-needs.ts'
import { readOverrideRules } from './override-rules.ts'
import type { ListedModule, Phase } from './simulate-boot.ts'
import { contentAt, readListed } from './read-listed.ts'
import { earlyModulesPath } from './settle-module-lists.ts'

/** `isFile`: false for a link to /dev/null, which masks and which no listing names. */
type File = { readonly path: string; readonly content: string; readonly isFile: boolean }

export type ImageQuestion = {
  /** As it is, and after the plan. */
  readonly before: Snapshot
  readonly after: Snapshot
  readonly kernel: InstalledKernel
  readonly commandLine: string
  readonly refused: ReadonlySet<string>
  readonly rebuilt: boolean
}

export type ImageVariants = {
  /** Never empty; the first is the most likely. Several where what the image holds is not known. */
  readonly variants: readonly Phase[]
  /** Why there are several. */
  readonly why: { readonly code: string; readonly why: string } | null
}

/** mkinitramfs copies these; /run and /usr/local are not in the image (mkinitramfs of initramfs-tools 0.142). */
const copiedDirectories = ['/etc/modprobe.d', '/lib/modprobe.d'] as const

const inImage = 'conf/modules of the image'

/** Variants of the image: as it was listed, or as it will be built, or both ends of what it may be. */
export function composeImages(question: ImageQuestion): ImageVariants {
  const { before, kernel, rebuilt } = question
  const listing = kernel.initrd === null ? undefined : findListing(before, kernel.initrd)
  if (rebuilt) return composeRebuilt(question, listing)
  if (listing !== undefined) return composeListed(question, listing)
  const why = `what ${kernel.initrd?.path ?? 'the image'} holds was not read back since it was built`
  const files = readCopied(question.after)
  const now = composePhase(question, { files, rules: readRuleFiles(question.after), listed: readEarly(question.after) })
  const bare = composePhase(question, { files: [], rules: [], listed: [] })
  const variants = [now(holdsAll), now(holdsOnly(now(holdsAll))), bare(holdsAll), bare(() => () => false)]
  return { variants, why: { code: 'IMAGE_NOT_LISTED', why } }
}

/** It gets what it held before, and what its list and softdeps bring (`modprobe --show-depends` follows softdeps). */
function composeRebuilt(question: ImageQuestion, listing: ImageListing | undefined): ImageVariants {
  const { before, after } = question
  const early = readEarly(after)
  const named = new Set(readEarly(before).map(({ module }) => foldName(module)))
  const hooked = (listing?.early ?? []).filter((module) => !named.has(module))
  const listed = [...early, ...hooked.map((module) => ({ module, args: '', place: inImage }))]
  const compose = composePhase(question, { files: readCopied(after), rules: readRuleFiles(after), listed })
  const sameSettings = settingsOf(before) === settingsOf(after)
  if (listing !== undefined && sameSettings) {
    return { variants: [compose(holdsOnly(compose(holdsAll), listing.modules))], why: null }
  }
  const why = `which modules it will hold is for mkinitramfs to decide (MODULES=${settingsOf(after)}); its listing is not known`
  return {
    variants: [compose(holdsAll), compose(holdsOnly(compose(holdsAll)))],
    why: { code: 'IMAGE_NOT_LISTED', why },
  }
}

/** Copies that are not the files of today were something else once: both ends are looked at. */
function composeListed(question: ImageQuestion, listing: ImageListing): ImageVariants {
  const { after } = question
  const modprobe = compareCopies(listing, readCopied(after), /(^|\/)modprobe\.d\//)
  const rules = compareCopies(listing, readRuleFiles(after), /(^|\/)udev\/rules\.d\//)
  const known = new Map(readEarly(after).map((each) => [foldName(each.module), each]))
  const listed = listing.early.map((module) => known.get(module) ?? { module, args: '', place: inImage })
  const modules = new Set(listing.modules.map(foldName))
  const holds = () => (module: string) => modules.has(module)
  const base = composePhase(question, { files: modprobe.same, rules: rules.same, listed })(holds)
  const changed = [...modprobe.other, ...rules.other]
  if (changed.length === 0 && modprobe.gone.length === 0) return { variants: [base], why: null }
  const newer = composePhase(question, {
    files: [...modprobe.same, ...modprobe.other],
    rules: [...rules.same, ...rules.other],
    listed,
  })(holds)
  const names = [...changed.map(({ path }) => path), ...modprobe.gone]
  return {
    variants: [base, newer],
    why: { code: 'IMAGE_OUTDATED', why: `its copy of ${names.join(', ')} is an older one` },
  }
}

type Copies = { readonly same: readonly File[]; readonly other: readonly File[]; readonly gone: readonly string[] }

/** `other`: files of today with another copy in the image. `gone`: copies of files that are not there any more. */
function compareCopies(listing: ImageListing, files: readonly File[], about: RegExp): Copies {
  const hashes = (path: string) => placesInImage(path).flatMap((place) => listing.configuration.get(place) ?? [])
  const same = files.filter(({ path, content, isFile }) => !isFile || hashes(path).includes(hashBytes(content)))
  const other = files.filter((file) => !same.includes(file) && hashes(file.path).length > 0)
  const known = new Set(files.flatMap(({ path }) => placesInImage(path)))
  const gone = [...listing.configuration.keys()].filter(
    (path) => path.startsWith('etc/') && about.test(path) && !known.has(path),
  )
  return { same, other, gone }
}

/** udev's hook copies rules of /etc to lib; /lib is usr/lib in images of merged systems. */
function placesInImage(path: string): readonly string[] {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const directory = path.includes('/rules.d/') ? 'udev/rules.d' : 'modprobe.d'
  if (directory === 'udev/rules.d') return ['etc', 'lib', 'usr/lib'].map((at) => `${at}/${directory}/${name}`)
  return path.startsWith('/etc/') ? [path.slice(1)] : ['lib', 'usr/lib'].map((at) => `${at}/${directory}/${name}`)
}

type Parts = {
  readonly files: readonly File[]
  readonly rules: readonly File[]
  readonly listed: readonly ListedModule[]
}

type Content = Pick<Phase, 'configuration' | 'listed' | 'needs'>

type Holds = (content: Content) => (module: string) => boolean

function composePhase(question: ImageQuestion, { files, rules, listed }: Parts): (holds: Holds) => Phase {
  const { kernel, commandLine, refused } = question
  const configuration = composeKmodConfiguration({ files, softdeps: kernel.softdeps, commandLine })
  const forInitramfs = { ...configuration, blacklist: [...configuration.blacklist, ...findInitBlacklist(commandLine)] }
  const loadable = (module: string) =>
    kernel.modules.get(module) !== 'absent' && kernel.modules.get(module) !== 'builtin'
  const needs = (module: string) => findNeeds(kernel, module)
  return (holds) => {
    const held = holds({ configuration: forInitramfs, listed, needs })
    return {
      name: 'image',
      configuration: forInitramfs,
      holds: (module) => loadable(module) && held(module),
      needs,
      refused,
      rules: readOverrideRules(rules),
      listed,
    }
  }
}

/** `blacklist=a,b` is for initramfs-tools alone (its init and scripts/init-top/blacklist); the last one counts. */
function findInitBlacklist(commandLine: string): KmodConfiguration['blacklist'] {
  const last = commandLine.split(/\s+/).findLast((word) => word.startsWith('blacklist='))
  const names = last?.slice('blacklist='.length).split(',') ?? []
  return names.map((name) => ({ module: foldName(name), place: last ?? '' }))
}

const holdsAll: Holds = () => () => true

/** These modules, those of the list, and what all of them need and their softdeps name. */
function holdsOnly({ configuration, listed, needs }: Content, modules: readonly string[] = []): Holds {
  const held = new Set<string>()
  const add = (name: string): void => {
    const module = foldName(name)
    if (held.has(module)) return
    held.add(module)
    const softdep = findSoftdep(configuration, module)
    for (const other of [...needs(module), ...(softdep?.pre ?? []), ...(softdep?.post ?? [])]) add(other)
  }
  for (const module of [...modules, ...listed.map((each) => each.module)]) add(module)
  return () => (module) => held.has(module)
}

function readCopied(snapshot: Snapshot): readonly File[] {
  const paths = copiedDirectories.flatMap((directory) => listFiles(snapshot, directory, '.conf'))
  return paths.map((path) => readWhole(snapshot, path))
}

function readRuleFiles(snapshot: Snapshot): readonly File[] {
  const paths = listFiles(snapshot, '/etc/udev/rules.d', '.rules')
  return paths.map((path) => readWhole(snapshot, path))
}

function readWhole(snapshot: Snapshot, path: string): File {
  const isFile = findFile(snapshot, path).state.type === 'file'
  return { path, content: contentAt(snapshot, path), isFile }
}

/** /etc/initramfs-tools/modules, then what packages list (mkinitramfs). */
function readEarly(snapshot: Snapshot): readonly ListedModule[] {
  return [earlyModulesPath, ...listFiles(snapshot, '/usr/share/initramfs-tools/modules.d', '')].flatMap((path) =>
    readListed(snapshot, path, 'initramfs'),
  )
}

/** MODULES= of the settings that mkinitramfs reads, the last one counting; `most` where none is. */
function settingsOf(snapshot: Snapshot): string {
  const paths = ['/etc/initramfs-tools/initramfs.conf', ...listFiles(snapshot, '/etc/initramfs-tools/conf.d', '')]
  const values = paths.flatMap((path) => [...contentAt(snapshot, path).matchAll(/^MODULES=["']?(\w*)/gm)])
  return values.at(-1)?.[1] ?? 'most'
}
