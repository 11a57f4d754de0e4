import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetPublicKeyCommand,
  KMSClient,
  type MessageType,
  SignCommand,
  type SigningAlgorithmSpec,
} from '@aws-sdk/client-kms'
import { Fault } from '@writ/contracts'
import { Guard, type KmsOptions } from './guard.ts'
import { WrongAnswer } from './kms-failure.ts'
import { type KmsKey, labelOf, parseKmsReference, partsOfKeyArn } from './kms-key.ts'

const CONNECT_TIMEOUT_MS = 1000

/**
 * One key in KMS. An alias is resolved when it is opened; from then on the key itself is named, so that an alias that comes to mean another key changes
 * nothing for a process that runs. Every call may throw Fault `unavailable`.
 */
export class KmsConnection {
  readonly key: KmsKey
  readonly label: string
  readonly #client: KMSClient
  readonly #guard: Guard

  private constructor(key: KmsKey, label: string, client: KMSClient, guard: Guard) {
    this.key = key
    this.label = label
    this.#client = client
    this.#guard = guard
  }

  /**
   * Throws Fault `malformed` where there is no such key, or it is of another use, spec or region than was asked for, and `unavailable` where KMS does not
   * answer or the key is disabled.
   */
  static async open(
    reference: string,
    usage: KmsKey['usage'],
    specs: readonly string[],
    options: KmsOptions,
  ): Promise<KmsConnection> {
    const { keyId, region } = parseKmsReference(reference)
    const label = labelOf(keyId)
    // Retries are the guard's: it counts them over all calls.
    const client = new KMSClient({
      maxAttempts: 1,
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS },
      ...(region !== undefined && { region }),
    })
    const asked = await client.config.region().catch((cause: unknown) => {
      throw new Fault('malformed', { message: `KMS key ${label}: no region is configured (AWS_REGION).`, cause })
    })
    const guard = new Guard(label, options)
    const { KeyMetadata: found } = await guard.call('describe', (abortSignal) =>
      client.send(new DescribeKeyCommand({ KeyId: keyId }), { abortSignal }),
    )
    const parts = partsOfKeyArn(found?.Arn ?? '')
    const wrong = (what: string): Fault => new Fault('malformed', { message: `KMS key ${label}: ${what}.` })
    if (parts === undefined) throw wrong('KMS does not say which key it is')
    if (parts.region !== asked) throw wrong(`it is in ${parts.region}, not in ${asked}`)
    if (found?.KeyUsage !== usage) throw wrong(`its use is ${found?.KeyUsage}, not ${usage}`)
    const spec = found.KeySpec ?? ''
    if (!specs.includes(spec)) throw wrong(`its spec is ${spec}; ${specs.join(' or ')} is needed`)
    if (found.KeyState !== 'Enabled')
      throw new Fault('unavailable', { message: `KMS key ${label}: it is not enabled (${found.KeyState}).` })
    const key: KmsKey = { ...parts, spec, usage, multiRegion: found.MultiRegion ?? false }
    options.accept?.(key)
    return new KmsConnection(key, label, client, guard)
  }

  /** SubjectPublicKeyInfo, DER. */
  publicKey(): Promise<Uint8Array> {
    return this.#guard.call('public_key', async (abortSignal) => {
      const { PublicKey } = await this.#client.send(new GetPublicKeyCommand({ KeyId: this.key.arn }), { abortSignal })
      return given(PublicKey)
    })
  }

  /** `check` gives what is returned, or undefined for a signature that does not verify: then it throws Fault `bad_signature`. */
  sign<T>(
    message: Uint8Array,
    type: MessageType,
    algorithm: SigningAlgorithmSpec,
    check: (signature: Uint8Array) => T | undefined,
  ): Promise<T> {
    const request = { KeyId: this.key.arn, Message: message, MessageType: type, SigningAlgorithm: algorithm }
    return this.#guard.call('sign', async (abortSignal) => {
      const { Signature } = await this.#client.send(new SignCommand(request), { abortSignal })
      return given(check(given(Signature)))
    })
  }

  encrypt(plaintext: Uint8Array, context: Record<string, string>): Promise<Uint8Array> {
    const request = { KeyId: this.key.arn, Plaintext: plaintext, EncryptionContext: context }
    return this.#guard.call('encrypt', async (abortSignal) => {
      const { CiphertextBlob } = await this.#client.send(new EncryptCommand(request), { abortSignal })
      return given(CiphertextBlob)
    })
  }

  /** Opens what this key wrapped in this context, and nothing else. */
  decrypt(wrapped: Uint8Array, context: Record<string, string>): Promise<Uint8Array> {
    const request = { KeyId: this.key.arn, CiphertextBlob: wrapped, EncryptionContext: context }
    return this.#guard.call('decrypt', async (abortSignal) => {
      const { Plaintext } = await this.#client.send(new DecryptCommand(request), { abortSignal })
      return given(Plaintext)
    })
  }
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new WrongAnswer()
  return value
}
