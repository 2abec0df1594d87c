import { error, warning } from './diagnostic.ts'
import type { Diagnostic } from './diagnostic.ts'
import type { TaskOptions } from './module.ts'

type Details = Pick<Diagnostic, 'hint' | 'evidence'>

/** A refusal that a task may take upon itself with `accept`: then a warning that shows why it was accepted. */
export function refuse(
  options: Pick<TaskOptions, 'accept'>,
  code: string,
  message: string,
  details: Details = {},
): Diagnostic {
  const why = options.accept.get(code)
  if (why === undefined) return error(code, message, withAcceptHint(code, details))
  return warning(code, message, { evidence: [...(details.evidence ?? []), `accepted: ${why}`] })
}

function withAcceptHint(code: string, details: Details): Details {
  const way = `take the risk with accept: { ${code}: "why" }`
  return { ...details, hint: details.hint ? `${details.hint}; or ${way}` : way }
}
