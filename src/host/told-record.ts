import { textFromBytes, type Bytes } from '../core/bytes.ts'
import { recordStates, type RecordDocument, type RecordState } from '../core/record.ts'

/** A host may say anything of its records: what has another form than ours is left out, and reaches neither screen nor plan. */
export function isRecordId(text: string): boolean {
  return /^[A-Za-z0-9][\w.+-]{0,99}$/.test(text)
}

/** The state that a host named; one that passway does not know is taken for an open record that nobody works on. */
export function toldState(word: string | undefined): RecordState {
  return recordStates.find((state) => state === word) ?? 'interrupted'
}

/** record.json, where it is one. Claims are checked where they are read (parse-owned-claims.ts). */
export function findDocument(bytes: Bytes | undefined): RecordDocument | null {
  if (bytes === undefined) return null
  try {
    const document: unknown = JSON.parse(textFromBytes(bytes))
    if (!hasForm(document, form)) return null
    const { nextBoot = null, trial = null } = document as { nextBoot?: unknown; trial?: unknown }
    const isForm = (trial === null || hasForm(trial, trialForm)) && (nextBoot === null || hasForm(nextBoot, bootForm))
    return isForm ? (document as RecordDocument) : null
  } catch {
    return null
  }
}

type Form = (value: unknown) => boolean
type Forms = Readonly<Record<string, Form>>

const isText: Form = (value) => typeof value === 'string'
const isNumber: Form = (value) => typeof value === 'number'
const isEmpty: Form = (value) => value === null || value === undefined

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasForm(value: unknown, forms: Forms): boolean {
  return isObject(value) && Object.entries(forms).every(([name, is]) => is(value[name]))
}

const objectOf =
  (forms: Forms): Form =>
  (value) =>
    hasForm(value, forms)
const listOf =
  (is: Form): Form =>
  (value) =>
    Array.isArray(value) && value.every(is)
const eachOf =
  (is: Form): Form =>
  (value) =>
    isObject(value) && Object.values(value).every(is)

const form: Forms = {
  format: (value) => value === 1,
  created: isText,
  by: isText,
  playbooks: listOf(isText),
  changes: listOf(isObject),
  rescue: listOf(isText),
}

const trialForm: Forms = { kernel: isText, confirmWithin: isNumber }

/** All that a boot is compared with (checks/compare-boot.ts). */
const bootForm: Forms = {
  entry: objectOf({ id: isText, kernel: isText }),
  kernelCommandLine: isText,
  drivers: eachOf(objectOf({ next: (value) => isEmpty(value) || isText(value) })),
  modules: objectOf({ image: listOf(isText), boot: listOf(isText) }),
  hugepages: eachOf(objectOf({ total: isNumber, nodes: (value) => isEmpty(value) || eachOf(isNumber)(value) })),
  groups: eachOf(isNumber),
  uncertain: listOf(objectOf({ code: isText, what: isText, why: isText })),
}
