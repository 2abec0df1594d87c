/**
 * sshd drops connections at random once ten have not logged in yet (MaxStartups 10:30:100), so at most this many are
 * on the way to one address or bastion at a time.
 */
const perEndpoint = 8

type Endpoint = { running: number; readonly waiting: (() => void)[] }

const endpoints = new Map<string, Endpoint>()

/** Waits for a place; the function it gives ends the handshake (more than one call does no harm). */
export async function startHandshake(key: string): Promise<() => void> {
  const endpoint = endpoints.get(key) ?? { running: 0, waiting: [] }
  endpoints.set(key, endpoint)
  if (endpoint.running < perEndpoint) endpoint.running += 1
  else await new Promise<void>((resolve) => endpoint.waiting.push(resolve))
  let open = true
  return () => {
    if (!open) return
    open = false
    endHandshake(key, endpoint)
  }
}

function endHandshake(key: string, endpoint: Endpoint): void {
  const next = endpoint.waiting.shift()
  if (next) return next()
  endpoint.running -= 1
  if (endpoint.running === 0) endpoints.delete(key)
}
