import type { Bus } from '@writ/bus'
import { ENDORSEMENT_SECONDS_MAX, Fault, keyMessage, type ServiceRole, subjects } from '@writ/contracts'
import { digestOf, ephemeralSigner, type Signer, signMessage } from '@writ/keys'
import type { AuthorityFollower } from './authority-follower.ts'

export interface SigningKeyOptions {
  readonly role: ServiceRole
  readonly instance: string
  readonly boot: string
  /** The role's anchor: the one that enrolment packages pin. */
  readonly anchor: Signer
  readonly bus: Bus
  readonly follower: AuthorityFollower
  readonly report: (what: string, error: unknown) => void
  readonly nowSeconds?: () => number
  /** Absent: 24 h, which is also the most. It is renewed at half of it. */
  readonly lifetimeSeconds?: number
}

const CHECK_MS = 30_000

/**
 * The key that this run of the process signs with, endorsed by the role's anchor. The endorsement is filed and read back before anything
 * is signed, and renewed in time; without one in force the key does not sign.
 */
export class SigningKey implements AsyncDisposable {
  readonly signer: Signer
  readonly #options: SigningKeyOptions
  readonly #nowSeconds: () => number
  readonly #lifetimeSeconds: number
  #endorsement = ''
  #renewAt = 0
  #exp = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(options: SigningKeyOptions) {
    this.#options = options
    this.#nowSeconds = options.nowSeconds ?? (() => Math.floor(Date.now() / 1000))
    this.#lifetimeSeconds = options.lifetimeSeconds ?? ENDORSEMENT_SECONDS_MAX
    const key = ephemeralSigner()
    this.signer = {
      alg: key.alg,
      kid: key.kid,
      jwk: key.jwk,
      sign: (data) => {
        if (this.#nowSeconds() < this.#exp) return key.sign(data)
        throw new Fault('unavailable', { message: 'No endorsement of the signing key is in force.' })
      },
    }
  }

  /** Makes a key, endorses it, files the endorsement and reads it back. Throws Fault `unavailable`. */
  static async make(options: SigningKeyOptions): Promise<SigningKey> {
    const key = new SigningKey(options)
    await key.endorse()
    return key
  }

  /** The newest endorsement. */
  get endorsement(): string {
    return this.#endorsement
  }

  /** Until when the newest endorsement is valid, NumericDate. */
  get expires(): number {
    return this.#exp
  }

  /** Why the key cannot be used now, for readiness; undefined when it can. */
  get problem(): string | undefined {
    try {
      this.#options.follower.authority.trust.serviceKey(this.#options.role, this.signer.kid, this.#nowSeconds())
      return undefined
    } catch {
      return 'No endorsement of the signing key is in force; if it was revoked, start the service again.'
    }
  }

  /** Renews at half of the lifetime, and at once when the endorsement was revoked but the key was not. `onRenewed` records it. */
  keepEndorsed(onRenewed: (endorsement: string) => Promise<void>): void {
    this.#timer = setInterval(() => {
      if (this.#nowSeconds() < this.#renewAt && this.problem === undefined) return
      this.endorse()
        .then(() => onRenewed(this.#endorsement))
        .catch((error: unknown) => this.#options.report('the signing key could not be endorsed again', error))
    }, CHECK_MS).unref()
  }

  async endorse(): Promise<void> {
    const { role, instance, boot, anchor, bus, follower } = this.#options
    const at = subjects(follower.authority.region)
    const iat = this.#nowSeconds()
    const { kid, jwk } = this.signer
    const exp = iat + this.#lifetimeSeconds
    const claims = { iss: role, aud: follower.authority.audience, iat, exp, role, kid, jwk, instance, boot }
    const endorsement = await signMessage(anchor, keyMessage, claims)
    await bus.store(at.registry('key', kid), endorsement, { stream: 'SIGNERS' })
    await follower.signers()
    const { trust } = follower.authority
    const filed = trust.endorsementsOf(kid).some(({ digest }) => digest === digestOf(endorsement))
    if (!filed)
      throw new Fault('unavailable', { message: 'The endorsement that was filed is not the one that is read.' })
    trust.serviceKey(role, kid, iat)
    this.#endorsement = endorsement
    this.#exp = exp
    this.#renewAt = iat + Math.floor(this.#lifetimeSeconds / 2)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
  }
}
