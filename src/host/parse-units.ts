import type { FileState, UnitState } from '../core/snapshot.ts'
import { unitDirectories } from './base-reads.ts'
import type { ProbeOutput } from './probe-sections.ts'

/** What `systemctl show` said, or on a tree what the files say. */
export function parseUnits(
  output: ProbeOutput,
  units: readonly string[],
  files: ReadonlyMap<string, FileState>,
): Map<string, UnitState> {
  const shown = output.sections.get('units') ?? ''
  const blocks = shown.split(/\n{2,}/).filter((block) => block.trim() !== '')
  // A user whom systemd does not answer knows as much as one who looks at a tree.
  if (blocks.length === 0) return new Map(units.map((unit) => [unit, readUnitFiles(unit, files)]))
  if (blocks.length !== units.length) output.problems.push('systemctl show did not answer for every unit')
  return new Map(units.map((unit, index) => [unit, parseShown(blocks[index] ?? '')]))
}

function parseShown(block: string): UnitState {
  const fields = new Map(block.split('\n').map((line) => [line.split('=', 1)[0], line.replace(/^[^=]*=/, '')]))
  const enabled = fields.get('UnitFileState') ?? ''
  const exists = fields.get('LoadState') !== 'not-found'
  return { exists, enabled: enabled === '' ? null : enabled, active: isActive(fields.get('ActiveState') ?? '') }
}

function isActive(state: string): boolean {
  return state === 'active' || state === 'activating' || state === 'reloading'
}

/** Masked by a link to /dev/null, enabled by a link of another unit, static without an [Install] section. */
function readUnitFiles(unit: string, files: ReadonlyMap<string, FileState>): UnitState {
  const place = unitDirectories.map((directory) => `${directory}/${unit}`).find((path) => files.has(path))
  const state = place === undefined ? undefined : files.get(place)
  if (state === undefined) return { exists: false, enabled: null, active: null }
  if (state.type === 'link' && state.to === '/dev/null') return { exists: true, enabled: 'masked', active: null }
  if (isWanted(unit, files)) return { exists: true, enabled: 'enabled', active: null }
  const end = state.type === 'link' && state.resolved !== null ? files.get(state.resolved) : state
  const installable = end?.type === 'file' && /^\[Install\]/m.test(end.content)
  return { exists: true, enabled: installable ? 'disabled' : 'static', active: null }
}

function isWanted(unit: string, files: ReadonlyMap<string, FileState>): boolean {
  const place = /^\/etc\/systemd\/system\/[^/]+\.(?:wants|requires)\/([^/]+)$/
  return [...files].some(([path, state]) => place.exec(path)?.[1] === unit && state.type === 'link')
}
