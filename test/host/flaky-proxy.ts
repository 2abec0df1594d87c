import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy before a test's sshd that misbehaves as told. */
export type FlakyProxy = {
  readonly port: number
  readonly accepted: () => number
  /** Cuts every connection. */
  readonly cut: () => void
  readonly stop: () => Promise<void>
}

/** `treat` gets each new connection's number (from 1) and says when it may go on; false drops it. */
export async function startFlakyProxy(target: number, treat: (n: number) => Promise<boolean>): Promise<FlakyProxy> {
  let accepted = 0
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const server = createServer((socket) => {
    accepted += 1
    keep(socket)
    void treat(accepted).then((good) => {
      if (!good) return void socket.destroy()
      const onward = keep(connect(target, '127.0.0.1'))
      socket.pipe(onward).pipe(socket)
      return undefined
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    accepted: () => accepted,
    cut,
    stop: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
