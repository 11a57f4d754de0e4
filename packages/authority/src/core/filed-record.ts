import {
  COSIGNS_MAX,
  type Command,
  type Cosign,
  commandMessage,
  cosignMessage,
  Fault,
  type RecordKind,
  type RecordOf,
} from '@writ/contracts'
import { openMessage, type UnverifiedJws } from '@writ/keys'

/** A filed value taken apart: an operator's command and the cosigns under it. Whether the signatures count is the trust store's word. */
export interface FiledValue {
  /** The exact lines as filed. */
  readonly value: string
  readonly command: { readonly jws: UnverifiedJws; readonly claims: Command }
  readonly cosigns: readonly { readonly jws: UnverifiedJws; readonly claims: Cosign }[]
}

/** A record that operators' signatures hold up: the signed command itself, at one of its versions. */
export interface FiledRecord<K extends RecordKind = RecordKind> {
  readonly kind: K
  readonly id: string
  readonly version: number
  readonly record: RecordOf<K>
  /** Of the first line: how tokens and decisions name it. */
  readonly digest: string
  readonly value: string
}

const PARSED_MAX = 2000
const PARSED_LENGTH_MAX = 8192
/** Values by their text: the same few records come with every plan. */
const parsed = new Map<string, FiledValue>()

/**
 * Takes a filed value apart; the same text once. Throws Fault `too_large`, `malformed`, `unsupported_type`; `chain_broken` when a cosign is
 * about another command, or two lines are by one operator.
 */
export function parseFiledValue(body: Uint8Array | string): FiledValue {
  const value = typeof body === 'string' ? body : Buffer.from(body).toString('latin1')
  const known = parsed.get(value)
  if (known !== undefined) return known
  const made = takeApart(value)
  if (value.length <= PARSED_LENGTH_MAX) parsed.set(value, made)
  if (parsed.size > PARSED_MAX) parsed.delete(parsed.keys().next().value as string)
  return made
}

function takeApart(value: string): FiledValue {
  const lines = value.split('\n')
  if (lines.length > 1 + COSIGNS_MAX) throw new Fault('malformed', { message: 'A record has too many lines.' })
  const [first, ...rest] = lines as [string, ...string[]]
  const command = openMessage(commandMessage, first)
  const cosigns = rest.map((line) => openMessage(cosignMessage, line))
  const signers = [command.claims.iss, ...cosigns.map(({ claims }) => claims.iss)]
  if (
    cosigns.some(({ claims }) => claims.command_digest !== command.jws.digest) ||
    new Set(signers).size !== signers.length
  ) {
    throw new Fault('chain_broken', { message: 'A cosign is not another operator’s word on this command.' })
  }
  return { value, command, cosigns }
}
