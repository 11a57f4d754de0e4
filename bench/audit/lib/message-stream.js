/**
 * A stream whose messages are made as they are read: a log of any length is written without keeping what goes into it. `end` ends it.
 */
export class MessageStream {
  /** @type {{ seq: number, source: string, body: Uint8Array }[]} */
  #held = []
  #last = 0

  /** @param {string} name */
  constructor(name) {
    this.name = name
  }

  /** @param {{ source: string, body: Uint8Array }} message */
  store({ source, body }) {
    this.#last += 1
    this.#held.push({ seq: this.#last, source, body })
  }

  /** Of what waits. */
  get bytes() {
    return this.#held.reduce((sum, { body }) => sum + body.length, 0)
  }

  /** Forgets what is sealed. @param {number} seq */
  acknowledge(seq) {
    const first = this.#held[0]?.seq ?? 0
    if (seq >= first) this.#held.splice(0, seq - first + 1)
  }

  async identity() {
    return { created: 'bench', lastSeq: this.#last }
  }

  /** @param {number} from @param {{ countMax: number, bytesMax: number }} limits */
  async read(from, { countMax, bytesMax }) {
    const start = Math.max(0, from - (this.#held[0]?.seq ?? 0))
    let [end, bytes] = [start, 0]
    for (; end < this.#held.length && end - start < countMax && bytes < bytesMax; end++)
      bytes += this.#held[end]?.body.length ?? 0
    return this.#held.slice(start, end)
  }
}
