import {
  type ReasonCode,
  type Redeem,
  type Redeemed,
  redeemedMessage,
  resultMessage,
  SERVICE_ROLES,
} from '@writ/contracts'
import { digestOf, ephemeralSigner, type Signer, signJws } from '@writ/keys'
import type { Forge, Holder } from './hostile-gateway.ts'
import type { RedeemRule } from './hostile-gateway-rules.ts'
import { AUDIENCE, nowSeconds } from './world.ts'

/** What a forger of answers is given. */
export interface Asked {
  readonly forge: Forge
  readonly redeem: Redeem
  readonly jws: string
  /** A yes that token-issuer has given to another plan's redeem, seconds ago. */
  readonly otherYes: string
  /** A key of token-issuer whose endorsement has ended since. */
  readonly ended: Signer
}

/** An answer to a redeem, and how the step ends on it. */
export interface HostileAnswer {
  readonly rule: RedeemRule
  readonly name: string
  readonly lacks: Holder
  readonly code: ReasonCode
  readonly answer: (asked: Asked) => string | Promise<string>
}

type Changes = object | ((good: Redeemed) => object)

/** The yes that token-issuer would give. */
export function yes(
  { forge, redeem, jws }: Asked,
  changes: Changes = {},
  by?: Signer,
  typ = redeemedMessage.typ,
): Promise<string> {
  const good = {
    ...{ iss: 'token-issuer', aud: AUDIENCE, iat: nowSeconds(), request: digestOf(jws) },
    ...{ use: Number(redeem.use_id.split('/').at(-1)), of: 1, rev_head: forge.plant.authority.control.rev },
  }
  const more = typeof changes === 'function' ? changes(good) : changes
  return signJws(by ?? forge.signer('token-issuer'), typ, { ...good, ...more })
}

export function no({ forge, jws }: Asked, code: string, changes: object = {}, by?: Signer): Promise<string> {
  const good = { iss: 'token-issuer', aud: AUDIENCE, iat: nowSeconds(), request: digestOf(jws) }
  return signJws(by ?? forge.signer('token-issuer'), resultMessage.typ, {
    ...{ ...good, ok: false, code, message: 'No.' },
    ...changes,
  })
}

/** An answer that is none: the step waits for a better one until it is too late. */
const none = (
  rule: RedeemRule,
  name: string,
  answer: HostileAnswer['answer'],
  lacks: Holder = 'token-issuer',
): HostileAnswer => ({
  ...{ rule, name, lacks, code: 'too_late', answer },
})
const changed = (rule: RedeemRule, name: string, changes: Changes): HostileAnswer =>
  none(rule, name, (asked) => yes(asked, changes), 'operator/root')
const cut = (claim: string): HostileAnswer =>
  changed('form, typ and claims', `without ${claim}`, { [claim]: undefined })

const SIGNER: readonly HostileAnswer[] = [
  ...SERVICE_ROLES.filter((role) => role !== 'token-issuer').map((role) =>
    none('signed by token-issuer, whose endorsement is in force now', `by ${role}`, (asked) =>
      yes(asked, {}, asked.forge.signer(role)),
    ),
  ),
  ...(['operator/root', 'agent/a1', 'gateway/g1', 'gateway/g2'] as const).map((holder) =>
    none('signed by token-issuer, whose endorsement is in force now', `by ${holder}`, (asked) =>
      yes(asked, {}, asked.forge.signer(holder)),
    ),
  ),
  none(
    'signed by token-issuer, whose endorsement is in force now',
    'by intent-gateway under token-issuer’s key id',
    (asked) => yes(asked, {}, asked.forge.posing('token-issuer', 'intent-gateway')),
  ),
  none('signed by token-issuer, whose endorsement is in force now', 'by a new key', (asked) =>
    yes(asked, {}, ephemeralSigner()),
  ),
  none('signed by token-issuer, whose endorsement is in force now', 'by a key whose endorsement has ended', (asked) =>
    yes(asked, { iat: nowSeconds() - 10 }, asked.ended),
  ),
  none('signed by token-issuer, whose endorsement is in force now', 'of another iss', (asked) =>
    yes(asked, { iss: 'intent-gateway' }),
  ),
]

const FORM: readonly HostileAnswer[] = [
  none('form, typ and claims', 'that is nothing', () => ''),
  none('form, typ and claims', 'that is not JWS', () => '{"use":1,"of":1}'),
  none('form, typ and claims', 'with its signature cut off', async (asked) =>
    (await yes(asked)).split('.').slice(0, 2).join('.'),
  ),
  none('form, typ and claims', 'with one bit flipped', async (asked) =>
    (await yes(asked)).replace(/.(?=.{20}$)/, (c) => (c === 'A' ? 'B' : 'A')),
  ),
  none('form, typ and claims', 'with other claims under the signature', async (asked) => {
    const [header, , signature] = (await yes(asked)).split('.')
    const [, payload] = (await yes(asked, { more: 1 })).split('.')
    return [header, payload, signature].join('.')
  }),
  none(
    'form, typ and claims',
    'of another typ',
    (asked) => yes(asked, {}, undefined, 'writ-token+jwt'),
    'operator/root',
  ),
  none(
    'form, typ and claims',
    'that is a result which says ok',
    (asked) => no(asked, 'cancelled', { ok: true, code: undefined }),
    'operator/root',
  ),
  none('form, typ and claims', 'that is the redeem itself', ({ jws }) => jws),
  ...['iss', 'aud', 'iat', 'request', 'use', 'of', 'rev_head'].map(cut),
  changed('form, typ and claims', 'with half a use', { use: 0.5 }),
]

/** Answers on which no step may begin. */
export const HOSTILE_ANSWERS: readonly HostileAnswer[] = [
  ...SIGNER,
  ...FORM,
  changed('aud is the region', 'for another region', { aud: 'writ:us-east-1' }),
  changed('iat not ahead and at most 30 s old', 'of 31 s ago', () => ({ iat: nowSeconds() - 31 })),
  changed('iat not ahead and at most 30 s old', 'of tomorrow', () => ({ iat: nowSeconds() + 60 })),
  none('request is this redeem', 'to another plan’s redeem', ({ otherYes }) => otherYes),
  changed('request is this redeem', 'to a redeem that nobody sent', { request: digestOf('n.n.') }),
  changed('use and of are this use’s', 'for the next use', { use: 2 }),
  changed('use and of are this use’s', 'of more uses', { of: 3 }),
  changed('use and of are this use’s', 'for no use', { use: 0 }),
  changed('rev_head is applied here first', 'that has seen more of CONTROL', ({ rev_head }: Redeemed) => ({
    rev_head: { ...rev_head, seq: rev_head.seq + 1000 },
  })),
  changed('rev_head is applied here first', 'that has seen another CONTROL', ({ rev_head }: Redeemed) => ({
    rev_head: { ...rev_head, stream: 's9' },
  })),
  ...(
    [
      'token_unknown',
      'token_spent',
      'token_expired',
      'cancelled',
      'revoked',
      'quarantined',
      'replayed',
      'wrong_gateway',
    ] as const
  ).map(
    (code): HostileAnswer => ({
      ...{ rule: 'a no stops the step', name: `no: ${code}`, lacks: 'operator/root', code },
      answer: (asked) => no(asked, code),
    }),
  ),
]

/** A no that token-issuer has not given about this redeem: it stops nothing. */
export const HOSTILE_NOES: readonly (readonly [string, HostileAnswer['answer']])[] = [
  ['by intent-gateway', (asked) => no(asked, 'cancelled', {}, asked.forge.signer('intent-gateway'))],
  ['by a new key', (asked) => no(asked, 'cancelled', {}, ephemeralSigner())],
  ['about another redeem', (asked) => no(asked, 'cancelled', { request: digestOf('n.n.') })],
  ['of 31 s ago', (asked) => no(asked, 'cancelled', { iat: nowSeconds() - 31 })],
  ['for another region', (asked) => no(asked, 'cancelled', { aud: 'writ:us-east-1' })],
  ['without a code', (asked) => no(asked, 'cancelled', { code: undefined })],
  ['of a code that nobody knows', (asked) => no(asked, 'because')],
  ['for now', (asked) => no(asked, 'unavailable')],
]
