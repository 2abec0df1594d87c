import type { Module } from '../../src/core/module.ts'

/** A form whose parameters have a type of their own, as the list of all modules holds it: `params` proves the type first. */
export function defineModule<Params>(form: Module<Params>): Module {
  return form as unknown as Module
}
