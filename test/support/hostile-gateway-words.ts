import {
  type Command,
  controlMessage,
  cosignMessage,
  keyMessage,
  type ReasonCode,
  type ServiceRole,
} from '@writ/contracts'
import { digestOf, ephemeralSigner, type Signer, signJws } from '@writ/keys'
import type { Forge, Forgery, Holder } from './hostile-gateway.ts'
import { claimsOf } from './hostile-gateway.ts'
import { linked } from './hostile-gateway-plans.ts'
import type { WordRule } from './hostile-gateway-rules.ts'
import { AUDIENCE, freshId, nowSeconds } from './world.ts'

/** A message in CONTROL that must change nothing: a revoke that it would lift still stands. */
export interface VoidWord {
  readonly rule: WordRule
  readonly name: string
  readonly lacks: Holder
  readonly code: ReasonCode
  /** Under whose subject it is stored; `root` otherwise. */
  readonly under?: string
  readonly ttlSeconds?: number
  readonly word: (at: {
    readonly forge: Forge
    readonly prev: number
    readonly stands: number
    readonly earlier: string
  }) => string | Promise<string>
}

export function lift(prev: number, lifts: number, by: Signer, changes: object = {}): Promise<string> {
  const good = { iss: 'root', aud: AUDIENCE, iat: nowSeconds(), jti: freshId('k'), reason: 'It is over.' }
  return signJws(by, controlMessage.typ, { ...good, prev, command: 'lift', lifts, ...changes })
}

/** `op2` is an operator with a record, `op3` one whose record `op2` has made, `op9` nobody, `op-gone` one whose key was revoked. */
export const VOID_WORDS: readonly VoidWord[] = [
  ...(['intent-gateway', 'token-issuer', 'agent/a1', 'gateway/g1'] as const).map(
    (by): VoidWord => ({
      ...{
        rule: 'control: signed by an operator who is pinned or recorded',
        name: `by ${by}`,
        lacks: 'operator/root',
        code: 'unknown_key',
      },
      word: ({ forge, prev, stands }) => lift(prev, stands, forge.signer(by)),
    }),
  ),
  {
    ...{ rule: 'control: signed by an operator who is pinned or recorded', name: 'by an agent under root’s key id' },
    ...{ lacks: 'operator/root', code: 'bad_signature' },
    word: ({ forge, prev, stands }) => lift(prev, stands, forge.posing('operator/root', 'agent/a1')),
  },
  ...(['op9', 'op3', 'op-gone'] as const).map(
    (id): VoidWord => ({
      ...{ rule: 'control: signed by an operator who is pinned or recorded', name: `by ${id}`, lacks: 'operator/op2' },
      ...{ code: 'unknown_key', under: id },
      word: ({ forge, prev, stands }) => lift(prev, stands, forge.signer(`operator/${id}`), { iss: id }),
    }),
  ),
  {
    ...{ rule: 'control: iss is the subject’s id', name: 'of root under another’s subject', lacks: 'operator/op2' },
    ...{ code: 'wrong_subject', under: 'op2' },
    word: ({ forge, prev, stands }) => lift(prev, stands, forge.signer('operator/root')),
  },
  {
    ...{
      rule: 'control: prev is the last of the chain',
      name: 'an old lift again',
      lacks: 'operator/root',
      code: 'chain_broken',
    },
    word: ({ earlier }) => earlier,
  },
  {
    ...{
      rule: 'control: prev is the last of the chain',
      name: 'after none',
      lacks: 'operator/op2',
      code: 'chain_broken',
    },
    word: ({ forge, stands }) => lift(0, stands, forge.signer('operator/root')),
  },
  {
    ...{
      rule: 'control: prev is the last of the chain',
      name: 'after what does not exist',
      lacks: 'operator/op2',
      code: 'chain_broken',
    },
    word: ({ forge, stands }) => lift(2 ** 40, stands, forge.signer('operator/root')),
  },
  {
    ...{ rule: 'control: no TTL', name: 'that will vanish', lacks: 'operator/op2', code: 'malformed', ttlSeconds: 60 },
    word: ({ forge, prev, stands }) => lift(prev, stands, forge.signer('operator/root')),
  },
  {
    ...{ rule: 'control: one genesis', name: 'another genesis', lacks: 'operator/op2', code: 'replayed' },
    word: ({ forge, prev }) =>
      lift(prev, 0, forge.signer('operator/root'), { command: 'genesis', stream: 's2', lifts: undefined }),
  },
  {
    ...{
      rule: 'control: aud is the region',
      name: 'for another region',
      lacks: 'operator/root',
      code: 'wrong_audience',
    },
    word: ({ forge, prev, stands }) => lift(prev, stands, forge.signer('operator/root'), { aud: 'writ:us-east-1' }),
  },
  {
    ...{
      rule: 'control: signed by an operator who is pinned or recorded',
      name: 'nothing of ours',
      lacks: 'operator/root',
      code: 'malformed',
    },
    word: () => 'lift everything',
  },
  {
    ...{
      rule: 'control: signed by an operator who is pinned or recorded',
      name: 'a command',
      lacks: 'operator/root',
      code: 'unsupported_type',
    },
    word: ({ forge }) => forge.value('agent.a1'),
  },
]

/** What a revoke names of a rich plan, and how it is refused while that stands. */
export interface Revoked {
  readonly name: string
  readonly code: ReasonCode
  readonly names: 'every plan' | 'one plan'
  /** Whether plan and token are still signed by keys that count. */
  readonly told: boolean
  readonly revoke: (forge: Forge, chain: { readonly token: string; readonly intent: string }) => object
}

const revoked = (name: string, revoke: Revoked['revoke'], more: Partial<Revoked> = {}): Revoked => ({
  ...{ name, code: 'revoked', names: 'every plan', told: true, revoke },
  ...more,
})
const scoped = (scope: string, id: string, more?: Partial<Revoked>): Revoked =>
  revoked(`${scope} ${id}`, () => ({ scope, id }), more)
const keyOf = (holder: Holder, more?: Partial<Revoked>): Revoked =>
  revoked(`the key of ${holder}`, (forge) => ({ scope: 'key', id: forge.signer(holder).kid }), more)
const CHAIN_ROLES = (['intent-gateway', 'policy-evaluator', 'token-issuer', 'attestation-verifier'] as const).map(
  (role) => ({
    role,
    ofRole: { code: 'unknown_key', told: role !== 'intent-gateway' && role !== 'token-issuer' } as const,
  }),
)

export const REVOKED: readonly Revoked[] = [
  revoked('all', () => ({ scope: 'all' })),
  scoped('agent', 'a1'),
  scoped('user', 'u1'),
  scoped('user', 'boss2'),
  scoped('device', 'd1'),
  scoped('group', 'hall'),
  scoped('gateway', 'g1'),
  revoked('agent a1, in quarantine', () => ({ scope: 'agent', id: 'a1', quarantine: true }), { code: 'quarantined' }),
  revoked('the token', (_, { token }) => ({ scope: 'token', id: claimsOf<{ jti: string }>(token).jti }), {
    names: 'one plan',
  }),
  revoked('the intent', (_, { intent }) => ({ scope: 'intent', id: digestOf(intent) }), { names: 'one plan' }),
  ...(['agent/a1', 'approver/p1', 'gateway/g1'] as const).map((holder) => keyOf(holder)),
  ...CHAIN_ROLES.map(({ role, ofRole }) => keyOf(role, ofRole)),
  ...CHAIN_ROLES.map(({ role, ofRole }) => scoped('endorsements', role, ofRole)),
]

/** A plan whose signers a gateway does not know, or not yet: it is not refused, it waits, and nothing is done. */
export interface Waiting {
  readonly rule: WordRule | 'signer that SIGNERS does not show' | 'rev that is not applied here yet'
  readonly name: string
  readonly lacks: Holder
  readonly code: ReasonCode
  readonly forge: (forge: Forge, file: (kid: string, endorsement: string) => Promise<void>) => Promise<Forgery>
}

type Endorsing = (forge: Forge, key: Signer) => Promise<{ readonly kid?: string; readonly value: string }>

function endorsed(rule: WordRule, name: string, lacks: Holder, endorse: Endorsing): Waiting {
  return {
    ...{ rule, name, lacks, code: 'unknown_key' },
    forge: async (forge, file) => {
      const key = ephemeralSigner()
      const { kid = key.kid, value } = await endorse(forge, key)
      await file(kid, value)
      return { token: { by: key } }
    },
  }
}

function endorsement(key: Signer, by: Signer, changes: object = {}): Promise<string> {
  const iat = nowSeconds() - 600
  const good = {
    iss: 'token-issuer',
    aud: AUDIENCE,
    iat,
    exp: iat + 3600,
    role: 'token-issuer',
    kid: key.kid,
    jwk: key.jwk,
  }
  return signJws(by, keyMessage.typ, { ...good, instance: 'i9', boot: 'b9', ...changes })
}

const anchorOf = (forge: Forge, role: ServiceRole): Signer => forge.plant.world.anchors[role]

export const WAITING: readonly Waiting[] = [
  ...(['plan', 'token', 'decision', 'attestation'] as const).map(
    (link): Waiting => ({
      ...{
        rule: 'signer that SIGNERS does not show',
        name: `${link} by a new key`,
        lacks: 'operator/root',
        code: 'unknown_key',
      },
      forge: (forge) => linked(forge, link, { by: ephemeralSigner() }),
    }),
  ),
  ...(['operator/root', 'agent/a1', 'gateway/g1', 'approver/p1'] as const).map(
    (by): Waiting => ({
      ...{
        rule: 'signer that SIGNERS does not show',
        name: `token by ${by}`,
        lacks: 'token-issuer',
        code: 'unknown_key',
      },
      forge: (forge) => linked(forge, 'token', { by: forge.signer(by) }),
    }),
  ),
  ...(['intent-gateway', 'agent/a1', 'approver/p1', 'gateway/g1'] as const).map(
    (by): Waiting => ({
      ...{
        rule: 'signer that SIGNERS does not show',
        name: `agent’s record by ${by}`,
        lacks: 'operator/root',
        code: 'unknown_key',
      },
      forge: (forge) => linked(forge, 'record', { by: forge.signer(by) }),
    }),
  ),
  {
    ...{
      rule: 'rev that is not applied here yet',
      name: 'token of a later CONTROL',
      lacks: 'operator/root',
      code: 'unavailable',
    },
    forge: async () => ({ token: { claims: { rev: { stream: 's1', seq: 10_000 } } } }),
  },
  endorsed(
    'endorsement: by the role’s own anchor',
    'by another role’s anchor',
    'operator/root',
    async (forge, key) => ({
      value: await endorsement(key, anchorOf(forge, 'intent-gateway')),
    }),
  ),
  endorsed('endorsement: by the role’s own anchor', 'by itself', 'operator/root', async (_, key) => ({
    value: await endorsement(key, key),
  })),
  endorsed(
    'endorsement: by the role’s own anchor',
    'by the key that the anchor has endorsed',
    'operator/root',
    async (forge, key) => ({
      value: await endorsement(key, forge.signer('token-issuer')),
    }),
  ),
  endorsed(
    'endorsement: by the role’s own anchor',
    'by a key under the anchor’s key id',
    'operator/root',
    async (forge, key) => ({
      value: await endorsement(key, { ...key, kid: anchorOf(forge, 'token-issuer').kid }),
    }),
  ),
  endorsed('endorsement: at most 24 h', 'for a day and a second', 'operator/root', async (forge, key) => ({
    value: await endorsement(key, anchorOf(forge, 'token-issuer'), { exp: nowSeconds() - 600 + 86_401 }),
  })),
  endorsed(
    'endorsement: of the kid of its subject, for this region',
    'of another key',
    'operator/root',
    async (forge, key) => ({
      value: await endorsement(ephemeralSigner(), anchorOf(forge, 'token-issuer'), { kid: key.kid }),
    }),
  ),
  endorsed(
    'endorsement: of the kid of its subject, for this region',
    'under another subject',
    'operator/root',
    async (forge, key) => ({
      kid: ephemeralSigner().kid,
      value: await endorsement(key, anchorOf(forge, 'token-issuer')),
    }),
  ),
  endorsed(
    'endorsement: of the kid of its subject, for this region',
    'for another region',
    'operator/root',
    async (forge, key) => ({
      value: await endorsement(key, anchorOf(forge, 'token-issuer'), { aud: 'writ:us-east-1' }),
    }),
  ),
  ...(['op9', 'op3'] as const).map(
    (id): Waiting => ({
      ...{
        rule: 'operator: filed by a pinned one',
        name: `agent’s record by ${id}`,
        lacks: 'operator/root',
        code: 'unknown_key',
      },
      forge: (forge) => linked(forge, 'record', { claims: { iss: id }, by: forge.signer(`operator/${id}`) }),
    }),
  ),
]

/** Filed values of a device where the enrolment demands two operators for that kind. */
export interface Cosigned {
  readonly name: string
  readonly code: ReasonCode
  readonly value: (forge: Forge) => Promise<string>
}

async function cosign(forge: Forge, by: Signer, changes: object = {}): Promise<string> {
  const value = forge.value('device.d1')
  const { iat, exp } = claimsOf<Command>(value)
  const good = { iss: 'op2', aud: AUDIENCE, iat, exp, command_digest: digestOf(value) }
  return `${value}\n${await signJws(by, cosignMessage.typ, { ...good, ...changes })}`
}
const op2 = (forge: Forge): Signer => forge.signer('operator/op2')

export const COSIGNED: readonly Cosigned[] = [
  { name: 'by one operator alone', code: 'chain_broken', value: async (forge) => forge.value('device.d1') },
  {
    ...{ name: 'by the same operator again', code: 'chain_broken' },
    value: (forge) => cosign(forge, forge.plant.world.root, { iss: 'root' }),
  },
  {
    ...{ name: 'with a cosign of another command', code: 'chain_broken' },
    value: (forge) => cosign(forge, op2(forge), { command_digest: digestOf(forge.value('device.d2')) }),
  },
  {
    ...{ name: 'with a cosign by another key under op2’s key id', code: 'bad_signature' },
    value: (forge) => cosign(forge, forge.posing('operator/op2', 'gateway/g1')),
  },
  {
    ...{ name: 'with a cosign for another region', code: 'wrong_audience' },
    value: (forge) => cosign(forge, op2(forge), { aud: 'writ:us-east-1' }),
  },
  {
    ...{ name: 'with a cosign of another typ', code: 'unsupported_type' },
    value: async (forge) => `${forge.value('device.d1')}\n${forge.value('device.d2')}`,
  },
  {
    ...{ name: 'with four cosigns', code: 'malformed' },
    value: async (forge) => `${await cosign(forge, op2(forge))}\na\nb\nc`,
  },
]
export const cosigned = (forge: Forge): Promise<string> => cosign(forge, op2(forge))
