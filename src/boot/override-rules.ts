import type { Bytes } from '../core/bytes.ts'
import type { PciFunction } from '../core/snapshot.ts'
import { matchesUdevPattern, parseUdevRules } from '../formats/udev-rules.ts'
import type { UdevToken } from '../formats/udev-rules.ts'

/** A rule of a file that has to do with drivers of PCI functions; `tokens: null` where it is not understood. */
export type OverrideRule = { readonly place: string; readonly tokens: readonly UdevToken[] | null }

/** What udev does to one function when it is added, in this order. */
export type RuleEffect = {
  readonly override: { readonly driver: string; readonly place: string } | null
  /** It is taken off the driver that it has, because that is not the wanted one. */
  readonly unbinds: boolean
  /** The bus probes it again. */
  readonly probes: boolean
  readonly loads: readonly { readonly module: string; readonly place: string }[]
  /** Why what the rules do cannot be told. */
  readonly unclear: string | null
}

/** Rules of all files that mention driver_override, in udev's order: by name of the file, then by line. */
export function readOverrideRules(
  files: readonly { readonly path: string; readonly content: Bytes }[],
): readonly OverrideRule[] {
  const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
  return files
    .filter(({ content }) => content.includes('driver_override'))
    .toSorted((a, b) => (nameOf(a.path) < nameOf(b.path) ? -1 : 1))
    .flatMap(({ path, content }) =>
      parseUdevRules(content).map(({ line, tokens }) => ({ place: `${path}:${line}`, tokens })),
    )
}

type Run = {
  readonly target: PciFunction
  /** The driver that it has, as far as the rules have got. */
  driver: string | null
  readonly properties: Map<string, string>
  override: RuleEffect['override']
  unbinds: boolean
  probes: boolean
  readonly loads: { module: string; place: string }[]
  unclear: string | null
}

/** Runs the rules for the event `add` of one function (udev(7)). */
export function runOverrideRules(
  rules: readonly OverrideRule[],
  target: PciFunction,
  driver: string | null,
): RuleEffect {
  const run: Run = {
    target,
    driver,
    properties: new Map(),
    override: null,
    unbinds: false,
    probes: false,
    loads: [],
    unclear: null,
  }
  let at = 0
  while (at < rules.length) {
    const rule = rules[at]
    const label = rule === undefined ? undefined : runRule(run, rule)
    const to = label === undefined ? at + 1 : rules.findIndex((each, index) => index > at && hasLabel(each, label))
    at = to <= at ? rules.length : to
  }
  const { override, unbinds, probes, loads, unclear } = run
  return { override, unbinds, probes, loads, unclear }
}

function hasLabel({ tokens }: OverrideRule, label: string): boolean {
  return tokens?.some(({ key, value }) => key === 'LABEL' && value === label) === true
}

/** Returns the label to go to. */
function runRule(run: Run, { place, tokens }: OverrideRule): string | undefined {
  if (tokens === null) {
    run.unclear ??= `${place} is not understood`
    return undefined
  }
  const verdicts = tokens.filter(isMatch).map((token) => matches(run, token))
  if (verdicts.includes(false)) return undefined
  if (verdicts.includes('unknown')) {
    run.unclear ??= `whether ${place} matches cannot be told`
    return undefined
  }
  const actions = tokens.filter((token) => !isMatch(token))
  for (const action of actions) act(run, action, place)
  return actions.find(({ key }) => key === 'GOTO')?.value
}

function isMatch({ key, operator }: UdevToken): boolean {
  return operator === '==' || operator === '!=' || key === 'PROGRAM'
}

function act(run: Run, { key, attribute, value }: UdevToken, place: string): void {
  const text = substitute(run, value)
  if (key === 'ENV' && attribute !== null) run.properties.set(attribute, text)
  else if (key === 'ATTR' && attribute === 'driver_override') run.override = { driver: text, place }
  else if (key === 'ATTR' && attribute === 'driver/unbind') {
    run.unbinds = true
    run.driver = null
  } else if (key === 'ATTR' && attribute?.endsWith('drivers_probe') === true) run.probes = true
  else if (key === 'IMPORT') run.unclear ??= `${place} imports what cannot be told`
  else if (key === 'RUN') actRun(run, attribute, text, place)
}

function actRun(run: Run, attribute: string | null, text: string, place: string): void {
  const modules = attribute === 'builtin' ? /^kmod load (.*)$/.exec(text)?.[1] : undefined
  if (modules !== undefined) run.loads.push(...modules.split(/\s+/).map((module) => ({ module, place })))
  else if (text.includes('drivers_probe')) run.probes = true
  else if (/driver_override|unbind|\bbind\b/.test(text)) run.unclear ??= `${place} runs a program`
}

function substitute(run: Run, text: string): string {
  return text
    .replaceAll(
      /\$env\{([^}]*)\}|%E\{([^}]*)\}/g,
      (_, a: string | undefined, b: string | undefined) => run.properties.get(a ?? b ?? '') ?? '',
    )
    .replaceAll(/\$kernel|%k/g, run.target.address)
}

function matches(run: Run, { key, attribute, operator, value }: UdevToken): boolean | 'unknown' {
  const wanted = operator !== '!='
  if (key === 'TEST') {
    const isThere = testFile(run, substitute(run, value))
    return isThere === 'unknown' ? 'unknown' : isThere === wanted
  }
  const text = findProperty(run, key, attribute)
  if (text === undefined) return 'unknown'
  return matchesUdevPattern(value, text) === wanted
}

function testFile({ driver, target }: Run, path: string): boolean | 'unknown' {
  if (path === 'driver' || path.startsWith('driver/')) return driver !== null
  const [, name, address] = /^\/sys\/bus\/pci\/drivers\/([^/]*)\/(.+)$/.exec(path) ?? []
  return address === target.address ? name === driver : 'unknown'
}

/** The event of coldplug is `add`. Attributes as sysfs writes them, properties as the kernel's uevent has them. */
function findProperty({ target, properties }: Run, key: string, attribute: string | null): string | undefined {
  if (key === 'ACTION') return 'add'
  if (key === 'SUBSYSTEM') return 'pci'
  if (key === 'KERNEL') return target.address
  if (key === 'ATTR' || key === 'ATTRS') return findAttribute(target, attribute)
  return key === 'ENV' && attribute !== null ? findEnvironment(target, properties, attribute) : undefined
}

function findAttribute(target: PciFunction, attribute: string | null): string | undefined {
  const digits = new Map([
    ['vendor', target.vendor],
    ['device', target.device],
    ['subsystem_vendor', target.subsystemVendor],
    ['subsystem_device', target.subsystemDevice],
    ['class', target.class],
  ]).get(attribute ?? '')
  return digits === undefined || digits === null ? undefined : `0x${digits}`
}

function findEnvironment(
  target: PciFunction,
  properties: ReadonlyMap<string, string>,
  name: string,
): string | undefined {
  const set = properties.get(name)
  if (set !== undefined) return set
  const id = `${target.vendor}:${target.device}`.toUpperCase()
  const known = new Map([
    ['PCI_SLOT_NAME', target.address],
    ['MODALIAS', target.modalias ?? ''],
    ['PCI_ID', id],
    ['PCI_SUBSYS_ID', `${target.subsystemVendor ?? ''}:${target.subsystemDevice ?? ''}`.toUpperCase()],
  ])
  return known.get(name) ?? (name.startsWith('.') ? '' : undefined)
}
