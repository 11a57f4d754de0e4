import { randomFillSync } from 'node:crypto'

/** @typedef {{ stream: 'AUDIT' | 'AUDIT_EDGE', source: string, body: Buffer }} Message */

/** One source's chain of signed messages. */
export class PlantSource {
  #seq = 0
  /** @type {string | undefined} */
  #prev

  /**
   * @param {string} name
   * @param {any} signer
   * @param {{ aud: string, keys: any, typ: string, uuidV7: any, seconds: () => number }} plant
   */
  constructor(name, signer, plant) {
    this.name = name
    this.signer = signer
    this.plant = plant
  }

  /** @param {readonly object[]} events @returns {Promise<Message>} */
  async say(events) {
    const { aud, keys, typ, uuidV7 } = this.plant
    const [role = '', instance = ''] = this.name.split('/')
    const seconds = this.plant.seconds()
    const timestamp = new Date(seconds * 1000).toISOString()
    const claims = {
      iss: role === 'gateway' ? instance : role,
      aud,
      iat: seconds,
      source: this.name,
      seq: this.#seq,
      ...(this.#prev !== undefined && { prev: this.#prev }),
      events: events.map((event) => ({ event_id: uuidV7(seconds * 1000, random), timestamp, ...event })),
    }
    const compact = await keys.signJws(this.signer, typ, claims)
    this.#seq += 1
    this.#prev = keys.digestOf(compact)
    const stream = role === 'gateway' ? 'AUDIT_EDGE' : 'AUDIT'
    return { stream, source: this.name, body: Buffer.from(compact, 'latin1') }
  }
}

const pool = Buffer.alloc(65_536)
let at = pool.length

/** Random bytes from a pool: one call of the system's generator for each event costs more than the event. @param {number} length */
function random(length) {
  if (at + length > pool.length) {
    randomFillSync(pool)
    at = 0
  }
  at += length
  return pool.subarray(at - length, at)
}
