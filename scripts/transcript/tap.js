// Everything that crosses the bus of a throw-away plane, as a wiretap would hear it: no real identity may subscribe to all of this.
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { connectStore, encodeCredentials } from '@writ/plane'

const WAIT_MS = 20_000

/**
 * @typedef {object} Heard
 * @property {'EDGE' | 'STORE'} account
 * @property {string} subject
 * @property {string} [reply]
 * @property {Record<string, string>} headers
 * @property {string} text
 */

/** Listens in the accounts EDGE and STORE until it is closed. */
export class Tap {
  /** @type {Heard[]} */
  heard = []
  /** @type {import('@nats-io/transport-node').NatsConnection[]} */
  #connections = []

  /** @param {import('@writ/plane').Plane} plane */
  async open(plane) {
    const { creds } = await encodeCredentials(plane, 'EDGE', 'transcript')
    const edge = await connect({ servers: plane.natsUrl, authenticator: credsAuthenticator(creds) })
    this.#listen(edge, 'EDGE', '>')
    const store = await connectStore(plane)
    this.#listen(store, 'STORE', `writ.v1.${plane.region}.>`)
    await Promise.all(this.#connections.map((each) => each.flush()))
  }

  /**
   * @param {import('@nats-io/transport-node').NatsConnection} connection
   * @param {'EDGE' | 'STORE'} account
   * @param {string} subject
   */
  #listen(connection, account, subject) {
    this.#connections.push(connection)
    connection.subscribe(subject, {
      callback: (error, { subject, reply, headers, data }) => {
        if (error !== null) return
        const names = headers?.keys() ?? []
        const status =
          headers === undefined || headers.code === 0 ? {} : { Status: `${headers.code} ${headers.description}` }
        this.heard.push({
          account,
          subject,
          ...(reply && { reply }),
          headers: { ...status, ...Object.fromEntries(names.map((name) => [name, headers?.get(name) ?? ''])) },
          text: Buffer.from(data).toString(),
        })
      },
    })
  }

  /**
   * The first message that `wanted` is true of, now or later. Throws when none comes in time.
   * @param {string} what
   * @param {(heard: Heard) => boolean} wanted
   */
  async first(what, wanted) {
    for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; ) {
      const found = this.heard.find(wanted)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`Nothing like this was heard: ${what}`)
  }

  async close() {
    for (const connection of this.#connections) await connection.close()
  }
}
