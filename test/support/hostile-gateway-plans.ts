import { createHmac } from 'node:crypto'
import {
  type Attestation,
  commandMessage,
  type Decision,
  type Obligations,
  type Plan,
  planMessage,
  type ReasonCode,
  SERVICE_ROLES,
  type ServiceRole,
  type Token,
} from '@writ/contracts'
import { digestOf, ephemeralSigner } from '@writ/keys'
import type { Forge, Forgery, Holder, Part } from './hostile-gateway.ts'
import { RICH } from './hostile-gateway.ts'
import type { PlanRule } from './hostile-gateway-rules.ts'
import { nowSeconds, OBLIGATIONS } from './world.ts'

/** A plan that a gateway must refuse, made by somebody who holds every key but one. */
export interface HostilePlan {
  readonly rule: PlanRule
  readonly name: string
  readonly lacks: Holder
  readonly code: ReasonCode
  /** Plan and token are signed by who must sign them, so the refusal of each step is told; else it is only recorded. */
  readonly told: boolean
  readonly forge: (forge: Forge) => Promise<string>
}

type Made = Forgery | ((forge: Forge) => Forgery | Promise<Forgery>)

/** The messages of a chain by the place that each has in a plan. */
type Link = 'plan' | 'token' | 'record' | 'intent' | 'decision' | 'shown' | 'approval' | 'attestation'
const LINKS: readonly Link[] = ['plan', 'token', 'record', 'intent', 'decision', 'shown', 'approval', 'attestation']
const SIGNERS: Readonly<Record<Link, Holder>> = {
  plan: 'intent-gateway',
  token: 'token-issuer',
  record: 'operator/root',
  intent: 'agent/a1',
  decision: 'policy-evaluator',
  shown: 'policy-evaluator',
  approval: 'approver/p1',
  attestation: 'attestation-verifier',
}
const SERVICES = ['plan', 'token', 'decision', 'shown', 'attestation'] as const
type ServiceLink = (typeof SERVICES)[number]
const ROLE: Readonly<Record<ServiceLink, ServiceRole>> = {
  plan: 'intent-gateway',
  token: 'token-issuer',
  decision: 'policy-evaluator',
  shown: 'policy-evaluator',
  attestation: 'attestation-verifier',
}
/** Another party that a forger is, when he lacks the key of a link. */
const OTHER: Readonly<Record<Link, Holder>> = {
  plan: 'token-issuer',
  token: 'intent-gateway',
  record: 'intent-gateway',
  intent: 'agent/a2',
  decision: 'intent-gateway',
  shown: 'token-issuer',
  approval: 'approver/p2',
  attestation: 'policy-evaluator',
}

function row(
  rule: PlanRule,
  lacks: Holder,
  code: ReasonCode,
  name: string,
  made: Made,
  heard: 'told' | 'recorded' = 'told',
): HostilePlan {
  const forge = async (forger: Forge) =>
    (await forger.chain(typeof made === 'function' ? await made(forger) : made)).plan
  return { rule, name, lacks, code, told: heard === 'told', forge }
}

/** A whole rich chain, but for one link. */
export async function linked(forge: Forge, link: Link, part: Exclude<Part, string>): Promise<Forgery> {
  if (link === 'approval') return { rich: true, approvals: [{ approver: 'p1', ...part }, { approver: 'p2' }] }
  if (link === 'attestation') return { rich: true, attestations: [part] }
  if (link === 'shown') {
    const { intent, shown, approvals, attestations, decision, token } = await forge.chain({ rich: true })
    const earlier = [await forge.remade(shown, forge.signer('policy-evaluator'), part)]
    return { rich: true, intent, shown, approvals, attestations, decision, token, plan: { claims: { earlier } } }
  }
  if (link !== 'record') return { rich: true, [link]: part }
  return { rich: true, records: async ([, ...others]) => [await forge.record('agent.a1', part), ...others] }
}

const heardOf = (link: Link): 'told' | 'recorded' => (link === 'plan' || link === 'token' ? 'recorded' : 'told')
/** A link whose form is wrong needs nobody's key: the forger lacks some other one. */
const idle = (link: Link): Holder => (link === 'intent' ? 'operator/root' : 'agent/a1')

const b64 = (text: string): string => Buffer.from(text).toString('base64url')
const segments = (jws: string): [string, string, string] => jws.split('.') as [string, string, string]
const withHeader = (change: (header: Record<string, unknown>) => object) => (jws: string) => {
  const [header, ...others] = segments(jws)
  const good = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>
  return [b64(JSON.stringify(change(good))), ...others].join('.')
}
const withPayload = (change: (json: string) => string) => (jws: string) => {
  const [header, payload, signature] = segments(jws)
  return [header, b64(change(Buffer.from(payload, 'base64url').toString())), signature].join('.')
}
const withSignature = (change: (bytes: Buffer) => Uint8Array) => (jws: string) => {
  const [header, payload, signature] = segments(jws)
  return [header, payload, Buffer.from(change(Buffer.from(signature, 'base64url'))).toString('base64url')].join('.')
}
/** The last character of a segment whose bytes leave bits over, with such a bit set. */
const uncanonical = (jws: string): string => {
  const last = jws.slice(-1)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return jws.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1]
}

const FORMS: readonly (readonly [string, (jws: string) => string])[] = [
  ['cut before its signature', (jws) => jws.slice(0, jws.lastIndexOf('.'))],
  ['of no bytes but dots', () => '..'],
  ['with another signature behind it', (jws) => `${jws}.${segments(jws)[2]}`],
  [
    'with alg none and no signature',
    (jws) =>
      `${withHeader((h) => ({ ...h, alg: 'none' }))(jws)
        .split('.', 2)
        .join('.')}.`,
  ],
  [
    'with HS256 and the key id as its secret',
    (jws) => {
      const input = withHeader((h) => ({ ...h, alg: 'HS256' }))(jws)
        .split('.', 2)
        .join('.')
      return `${input}.${createHmac('sha256', 'public').update(input).digest('base64url')}`
    },
  ],
  ['with crit in its header', withHeader((h) => ({ ...h, crit: ['exp'] }))],
  ['with a key in its header', withHeader((h) => ({ ...h, jwk: ephemeralSigner().jwk }))],
  ['without a kid', withHeader(({ kid: _, ...h }) => h)],
  ['padded', (jws) => jws.replace('.', '=.')],
  ['whose base64url has bits left over', uncanonical],
  ['with a claim twice', withPayload((json) => json.replace('{', '{"aud":"x",'))],
  ['with a prototype', withPayload((json) => json.replace('{', '{"__proto__":{},'))],
  ['with a number of 2^53', withPayload((json) => json.replace('{', '{"n":9007199254740992,'))],
  ['with a lone surrogate', withPayload((json) => json.replace('{', '{"n":"\\ud800",'))],
  ['33 deep', withPayload((json) => json.replace('{', `{"n":${'['.repeat(32)}${']'.repeat(32)},`))],
  ['that is an array', withPayload((json) => `[${json}]`)],
]

const FORM: readonly HostilePlan[] = LINKS.flatMap((link) =>
  FORMS.map(([form, spoil]) =>
    row(
      'compact JWS, canonical base64url, I-JSON, header of alg, kid and typ',
      idle(link),
      'malformed',
      `${link} ${form}`,
      (forge) => linked(forge, link, { spoil }),
      heardOf(link),
    ),
  ),
)

const long = (kib: number): string => 'x'.repeat(kib * 1024)
const SIZE: readonly HostilePlan[] = [
  row(
    'bytes over the limit',
    'agent/a1',
    'too_large',
    'plan of more than 256 KiB',
    { plan: { claims: { more: long(200) } } },
    'recorded',
  ),
  ...(['intent', 'approval', 'record'] as const).map((link) =>
    row('bytes over the limit', idle(link), 'too_large', `${link} of more than 32 KiB`, (forge) =>
      linked(forge, link, { claims: { more: long(25) } }),
    ),
  ),
]

const TYP: readonly HostilePlan[] = [
  ...LINKS.map((link) =>
    row(
      'typ of its place',
      idle(link),
      'unsupported_type',
      `${link} of another typ`,
      (forge) => linked(forge, link, { typ: link === 'record' ? planMessage.typ : commandMessage.typ }),
      heardOf(link),
    ),
  ),
  ...(['token', 'intent', 'decision'] as const).map((link) =>
    row(
      'typ of its place',
      SIGNERS[link],
      'unsupported_type',
      `a good message of another typ in place of the ${link}`,
      async (forge) => {
        const { approvals, decision } = await forge.chain({ rich: true })
        return { rich: true, [link]: link === 'decision' ? (approvals[0] as string) : decision }
      },
      heardOf(link),
    ),
  ),
]

const base = ['iss', 'aud', 'iat', 'exp']
const REQUIRED: Readonly<Record<Link, readonly string[]>> = {
  plan: [
    ...base,
    'plan_id',
    'gateway_id',
    'steps',
    'token',
    'intent',
    'decision',
    'earlier',
    'approvals',
    'attestations',
    'records',
  ],
  token: [
    ...[...base, 'sub', 'jti', 'nbf', 'scope', 'cnf', 'intent_digest', 'decision_digest', 'plan_id', 'user', 'groups'],
    ...['records', 'rev', 'max_uses'],
  ],
  record: [...base, 'jti', 'kind', 'id', 'version', 'record', 'reason'],
  intent: [...base, 'jti', 'on_behalf_of', 'action', 'targets', 'purpose'],
  decision: [
    ...[
      ...base,
      'intent_digest',
      'input_sha256',
      'policy',
      'outcome',
      'reasons',
      'approvals',
      'attestations',
      'reports',
    ],
    ...['records', 'obligations'],
  ],
  shown: ['outcome', 'obligations'],
  approval: [...base, 'jti', 'intent_digest', 'decision_digest', 'verdict'],
  attestation: [...base, 'request', 'sub', 'cnf', 'profile', 'evidence_sha256', 'policy_sha256', 'submods'],
}

const WRONG: readonly (readonly [Link, string, object | ((good: never) => object)])[] = [
  ...(['record', 'intent', 'approval'] as const).map(
    (link) => [link, 'with a claim that nobody knows', { more: 1 }] as const,
  ),
  ...LINKS.map((link) => [link, 'with a time that is no whole number', { iat: nowSeconds() - 0.5 }] as const),
  ...LINKS.map((link) => [link, 'with null for a claim', { exp: null }] as const),
  ['token', 'with a wildcard in its scope', { scope: ['device:*:d1'] }],
  ['token', 'without a scope', { scope: [] }],
  ['token', 'with 11 uses', { max_uses: 11 }],
  ['token', 'with no uses', { max_uses: 0 }],
  ['token', 'with one use and a half', { max_uses: 1.5 }],
  ['token', 'with an unknown member in its cnf', ({ cnf }: Token) => ({ cnf: { ...cnf, jwk: 'x' } })],
  ['token', 'with an unknown member in its bind', { bind: { weather: 'dry' } }],
  ['decision', 'with an unknown obligation', { obligations: { ...OBLIGATIONS, witness: true } }],
  [
    'decision',
    'with an obligation left to its default',
    ({ obligations: { max_uses: _, ...o } }: Decision) => ({ obligations: o }),
  ],
  ['decision', 'with an outcome that is none', { outcome: 'maybe' }],
  ['plan', 'without steps', { steps: [] }],
  [
    'plan',
    'with 101 steps',
    { steps: Array.from({ length: 101 }, (_, n) => ({ step_id: `s${n}`, device_id: `d${n}` })) },
  ],
  ['plan', 'with a step id that is none', { steps: [{ step_id: 's0/../s1', device_id: 'd1' }] }],
  ['intent', 'with a target twice', { targets: ['d1', 'd1'] }],
  ['intent', 'with 101 targets', { targets: Array.from({ length: 101 }, (_, n) => `d${n}`) }],
  ['intent', 'with parameters over 8 KiB', { params: { text: long(9) } }],
  ['attestation', 'with an unknown member in its cnf', ({ cnf }: Attestation) => ({ cnf: { ...cnf, jwk: 'x' } })],
  ['approval', 'with a verdict that is none', { verdict: 'perhaps' }],
  [
    'record',
    'with a wildcard for its actions',
    { record: { keys: [], users: ['u1'], actions: ['*'], groups: ['hall'] } },
  ],
]

const CLAIMS: readonly HostilePlan[] = [
  ...LINKS.flatMap((link) =>
    REQUIRED[link].map((claim) => [link, `without ${claim}`, { [claim]: undefined }] as const),
  ),
  ...WRONG,
].map(([link, name, claims]) =>
  row(
    'claims missing, unknown, of wrong type or range',
    idle(link),
    'malformed',
    `${link} ${name}`,
    (forge) => linked(forge, link, { claims }),
    heardOf(link),
  ),
)

const at = (seconds: number): number => nowSeconds() + seconds

const WHO: readonly HostilePlan[] = [
  ...SERVICES.map((link) =>
    row(
      'iss is the id or the role',
      'agent/a1',
      'wrong_subject',
      `${link} that another role says it has made`,
      (forge) => linked(forge, link, { claims: { iss: 'audit-sink' } }),
      heardOf(link),
    ),
  ),
  row('signer registered', 'operator/root', 'unknown_agent', 'intent of an agent without a record', {
    intent: { claims: { iss: 'a2' }, by: ephemeralSigner() },
    records: ([, ...others]) => others,
  }),
  row('signer registered', 'agent/a1', 'unknown_agent', 'intent of a1 with the record of a2', (forge) => ({
    records: ([, ...others]) => [forge.value('agent.a2'), ...others],
  })),
  row('signer registered', 'operator/root', 'not_an_approver', 'approval by somebody without a record', {
    ...{ rich: true, records: ([agent = '', device = '', , ...others]) => [agent, device, ...others] },
  }),
  row(
    'kid is a key of the signer, with an endorsement that covers the iat',
    'agent/a1',
    'unknown_key',
    'intent of a1 by the key of a2',
    (forge) => ({
      intent: { by: forge.signer('agent/a2') },
    }),
  ),
  row(
    'kid is a key of the signer, with an endorsement that covers the iat',
    'agent/a1',
    'unknown_key',
    'intent of a1 by a new key',
    {
      intent: { by: ephemeralSigner() },
    },
  ),
  row(
    'kid is a key of the signer, with an endorsement that covers the iat',
    'approver/p1',
    'unknown_key',
    'approval of p1 by the key of p2',
    (forge) => linked(forge, 'approval', { by: forge.signer('approver/p2') }),
  ),
  ...SERVICES.map((link) =>
    row(
      'kid is a key of the signer, with an endorsement that covers the iat',
      'operator/root',
      'unknown_key',
      `${link} from before its key was endorsed`,
      (forge) => linked(forge, link, { claims: { iat: at(-3000) } }),
      heardOf(link),
    ),
  ),
  ...SERVICES.flatMap((link) =>
    SERVICE_ROLES.filter((role) => role !== ROLE[link]).map((role) =>
      row(
        'kid endorsed for the role',
        ROLE[link],
        'wrong_role',
        `${link} by ${role}`,
        (forge) => linked(forge, link, { by: forge.signer(role) }),
        heardOf(link),
      ),
    ),
  ),
]

const SIGNATURES: readonly (readonly [string, (jws: string) => string])[] = [
  [
    'with one bit of it flipped',
    withSignature((bytes) => bytes.map((byte, index) => (index === 10 ? byte ^ 1 : byte))),
  ],
  ['of zeros', withSignature(() => Buffer.alloc(64))],
  ['of no bytes', withSignature(() => Buffer.alloc(0))],
  ['in DER', withSignature((bytes) => der(bytes))],
  ['with s = n', withSignature((bytes) => Buffer.concat([bytes.subarray(0, 32), ORDER]))],
  ['of other claims', withPayload((json) => json.replace('"iat":', '"iat": '))],
]
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
function der(bytes: Buffer): Buffer {
  const int = (part: Buffer) => Buffer.concat([Buffer.from([2, part.length + 1, 0]), part])
  const both = Buffer.concat([int(bytes.subarray(0, 32)), int(bytes.subarray(32))])
  return Buffer.concat([Buffer.from([0x30, both.length]), both])
}

const SIGNED: readonly HostilePlan[] = [
  ...LINKS.map((link) =>
    row(
      'signature of the key, with its own algorithm',
      SIGNERS[link],
      'bad_signature',
      `${link} by ${OTHER[link]} under the key id of ${SIGNERS[link]}`,
      (forge) => linked(forge, link, { by: forge.posing(SIGNERS[link], OTHER[link]) }),
      heardOf(link),
    ),
  ),
  ...LINKS.flatMap((link) =>
    SIGNATURES.map(([name, spoil]) =>
      row(
        'signature of the key, with its own algorithm',
        SIGNERS[link],
        'bad_signature',
        `${link} with a signature ${name}`,
        (forge) => linked(forge, link, { spoil }),
        heardOf(link),
      ),
    ),
  ),
  row(
    'signature of the key, with its own algorithm',
    'token-issuer',
    'bad_signature',
    'token with the other algorithm in its header',
    { token: { spoil: withHeader((h) => ({ ...h, alg: 'EdDSA' })) } },
    'recorded',
  ),
]

const TIMES = (): readonly HostilePlan[] => [
  ...LINKS.filter((link) => link !== 'token').map((link) =>
    row(
      'aud is the region',
      idle(link),
      'wrong_audience',
      `${link} for another region`,
      (forge) => linked(forge, link, { claims: { aud: 'writ:us-east-1' } }),
      heardOf(link),
    ),
  ),
  row('aud of the token is the gateway', 'agent/a1', 'wrong_gateway', 'token for another gateway', {
    token: { claims: { aud: 'g2' } },
  }),
  row(
    'aud of the token is the gateway',
    'token-issuer',
    'wrong_gateway',
    'token that g2 has for the same intent',
    async (forge) => {
      const whole = await forge.chain({ devices: ['d1', 'd3'] })
      const other = await forge.chain({
        intent: whole.intent,
        decision: whole.decision,
        devices: ['d3'],
        gateway: 'g2',
      })
      return { intent: whole.intent, decision: whole.decision, token: other.token }
    },
    'recorded',
  ),
  row('iat and nbf not ahead', 'agent/a1', 'not_yet_valid', 'plan of tomorrow', {
    plan: { claims: { iat: at(200), exp: at(290) } },
  }),
  row('iat and nbf not ahead', 'agent/a1', 'not_yet_valid', 'token of tomorrow', {
    token: { claims: { iat: at(200), exp: at(290) } },
  }),
  row('iat and nbf not ahead', 'agent/a1', 'not_yet_valid', 'token that begins later', {
    token: { claims: { nbf: at(200) } },
  }),
  row('iat and nbf not ahead', 'agent/a1', 'not_yet_valid', 'decision from after its token', {
    decision: { claims: { iat: at(30), exp: at(85) } },
  }),
  row('iat and nbf not ahead', 'agent/a1', 'not_yet_valid', 'attestation result from after its token', (forge) =>
    linked(forge, 'attestation', { claims: { iat: at(250) } }),
  ),
  row('exp of the plan not past', 'intent-gateway', 'expired', 'old plan again', {
    token: { claims: { iat: at(-100), nbf: at(-100), exp: at(150) }, rightful: true },
    decision: { claims: { iat: at(-110), exp: at(-50) }, rightful: true },
    intent: { claims: { iat: at(-120), exp: at(-60) }, rightful: true },
    plan: { claims: { iat: at(-100), exp: at(-1) }, rightful: true },
  }),
  row('exp of the token not past', 'token-issuer', 'token_expired', 'old token in a new plan', {
    token: { claims: { iat: at(-100), nbf: at(-100), exp: at(-1) }, rightful: true },
  }),
  row('lifetime within its bound', 'token-issuer', 'lifetime_too_long', 'plan of more than an hour', {
    plan: { claims: { exp: at(3700) } },
  }),
  row('lifetime within its bound', 'policy-evaluator', 'lifetime_too_long', 'token of more than an hour', {
    token: { claims: { exp: at(3700) } },
  }),
  row('lifetime within its bound', 'operator/root', 'lifetime_too_long', 'intent of more than 10 min', {
    intent: { claims: { exp: at(700) } },
  }),
  row('lifetime within its bound', 'operator/root', 'lifetime_too_long', 'decision to allow of more than 60 s', {
    decision: { claims: { exp: at(90) } },
  }),
  row(
    'lifetime within its bound',
    'operator/root',
    'lifetime_too_long',
    'shown decision that lives longer than it waits',
    (forge) => linked(forge, 'shown', { claims: { exp: at(900) } }),
  ),
  row('lifetime within its bound', 'operator/root', 'lifetime_too_long', 'approval of more than a day', (forge) =>
    linked(forge, 'approval', { claims: { exp: at(90_000) } }),
  ),
  row('no revoke came after rev, and rev is of this stream', 'operator/root', 'revoked', 'token of another CONTROL', {
    token: { claims: { rev: { stream: 's9', seq: 1 } } },
  }),
]

const swapped = (name: string, by: string) => (forge: Forge) => (inForce: string[]) =>
  inForce.map((value) => (value === forge.value(name) ? forge.value(by) : value))

const RECORDS: readonly HostilePlan[] = [
  row(
    'records: operators’ signatures hold them up',
    'operator/root',
    'bad_signature',
    'agent’s record with a wider ceiling',
    (forge) => ({
      ...{ intent: { claims: { action: 'firmware-update' } } },
      records: async ([, ...others]) => [
        await forge.record('agent.a1', {
          by: forge.posing('operator/root', 'intent-gateway'),
          claims: {
            record: {
              keys: [forge.signer('agent/a1').jwk],
              users: ['u1'],
              actions: ['firmware-update'],
              groups: ['hall'],
            },
          },
        }),
        ...others,
      ],
    }),
  ),
  row(
    'records: operators’ signatures hold them up',
    'operator/root',
    'bad_signature',
    'record of another device under this one’s name',
    (forge) => ({
      records: async ([agent = '', , ...others]) => [
        agent,
        await forge.record('device.d2', { spoil: withPayload((json) => json.replace('"id":"d2"', '"id":"d1"')) }),
        ...others,
      ],
    }),
  ),
  ...(['agent.a1', 'policy.active'] as const).map((name) =>
    row(
      'records: exactly those in the token, in its order, named by the decision',
      'token-issuer',
      'chain_broken',
      `older version of ${name} than the token rests on`,
      async (forge) => {
        const good = await forge.chain()
        const old = forge.superseded.get(name) as string
        return {
          ...{ intent: good.intent, decision: good.decision, token: good.token },
          records: (inForce) => inForce.map((value) => (value === forge.value(name) ? old : value)),
        }
      },
    ),
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'policy-evaluator',
    'chain_broken',
    'older version of the agent’s record than was decided about',
    async (forge) => {
      const { intent, decision } = await forge.chain({})
      const named = (JSON.parse(Buffer.from(decision.split('.')[1] as string, 'base64url').toString()) as Decision)
        .records
      const old = forge.superseded.get('agent.a1') as string
      if (named.includes(digestOf(old))) throw new Error('the decision names the old one')
      return { intent, decision, records: ([, ...others]) => [old, ...others] }
    },
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'token-issuer',
    'chain_broken',
    'records in another order',
    async (forge) => {
      const { intent, decision, token } = await forge.chain()
      return {
        intent,
        decision,
        token,
        records: ([agent = '', ...others]) =>
          [...others, agent].toSorted((a) => (a === agent ? -1 : 1)).toSpliced(0, 2, others[0] as string, agent),
      }
    },
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'token-issuer',
    'chain_broken',
    'one record more',
    async (forge) => {
      const { intent, decision, token } = await forge.chain()
      return {
        intent,
        decision,
        token,
        records: (all) => [...all.slice(0, -1), forge.value('device.d2'), ...all.slice(-1)],
      }
    },
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'policy-evaluator',
    'chain_broken',
    'one record more, in the token too',
    {
      records: (all) => [...all.slice(0, -1), ...all.slice(0, 1), ...all.slice(-1)],
    },
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'policy-evaluator',
    'chain_broken',
    'the record of another device, in the token too',
    (forge) => ({
      records: (all) => [...all.slice(0, -1), forge.value('device.d2'), ...all.slice(-1)],
    }),
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'agent/a1',
    'chain_broken',
    'two versions of the policy',
    (forge) => ({
      records: (all) => [forge.superseded.get('policy.active') as string, ...all],
    }),
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'policy-evaluator',
    'chain_broken',
    'a record that the decision does not name',
    {
      decision: { claims: ({ records }: Decision) => ({ records: records.slice(1) }), rightful: true },
    },
  ),
  row(
    'records: exactly those in the token, in its order, named by the decision',
    'operator/root',
    'unknown_device',
    'no record of the device',
    {
      records: ([agent = '', , ...others]) => [agent, ...others],
    },
  ),
  row('records: not removed', 'operator/root', 'chain_broken', 'device that was removed', { devices: ['d-gone'] }),
]

const INTENT = (): readonly HostilePlan[] => [
  row('intent: user of the agent', 'operator/root', 'wrong_user', 'intent for another user', {
    intent: { claims: { on_behalf_of: 'u9' } },
  }),
  row(
    'intent: devices registered, routed, of this jurisdiction',
    'operator/root',
    'unknown_device',
    'step on a device with the record of another',
    (forge) => ({
      records: swapped('device.d1', 'device.d2')(forge),
    }),
  ),
  row(
    'intent: devices registered, routed, of this jurisdiction',
    'operator/root',
    'device_without_gateway',
    'device that no gateway reaches',
    {
      devices: ['d-lone'],
    },
  ),
  row(
    'intent: devices registered, routed, of this jurisdiction',
    'operator/root',
    'wrong_jurisdiction',
    'device of another jurisdiction',
    {
      devices: ['d-far'],
    },
  ),
  row(
    'intent: within the ceilings of agent and devices',
    'operator/root',
    'scope_exceeded',
    'action beyond the agent’s ceiling',
    {
      devices: ['d-flash'],
      intent: { claims: { action: 'firmware-update' }, rightful: true },
    },
  ),
  row(
    'intent: within the ceilings of agent and devices',
    'operator/root',
    'scope_exceeded',
    'device of another group',
    { devices: ['d-tools'] },
  ),
  row(
    'intent: within the ceilings of agent and devices',
    'operator/root',
    'scope_exceeded',
    'action beyond the device’s ceiling',
    {
      devices: ['d-read'],
    },
  ),
  row('intent: valid at the first decision', 'agent/a1', 'expired', 'intent that had expired when it was decided', {
    intent: { claims: { iat: at(-200), exp: at(-100) }, rightful: true },
  }),
  row('intent: valid at the first decision', 'agent/a1', 'not_yet_valid', 'intent from after its decision', {
    intent: { claims: { iat: at(20), exp: at(70) }, rightful: true },
  }),
  row('intent: valid at the first decision', 'agent/a1', 'expired', 'old intent that a new first decision revives', {
    ...{ rich: true, intent: { claims: { iat: at(-300), exp: at(-200) }, rightful: true } },
  }),
]

const obliged = (more: Partial<Obligations>): Part<Decision> => ({
  claims: { obligations: { ...OBLIGATIONS, ...more } },
  rightful: true,
})

const DECISIONS = (): readonly HostilePlan[] => [
  row(
    'decision: the earlier ones are those that first and shown name',
    'policy-evaluator',
    'chain_broken',
    'another earlier decision about this intent in place of the one that is named',
    async (forge) => {
      const { intent, shown, approvals, attestations, decision } = await forge.chain({ rich: true })
      const claims = { input_sha256: digestOf('o.o.') }
      const other = await forge.chain({ rich: true, intent, shown: { claims, rightful: true } })
      return {
        rich: true,
        intent,
        shown,
        approvals,
        attestations,
        decision,
        plan: { claims: { earlier: [other.shown] } },
      }
    },
  ),
  row(
    'decision: about this intent',
    'policy-evaluator',
    'chain_broken',
    'decision about another intent of the agent',
    async (forge) => ({
      decision: (await forge.chain()).decision,
    }),
  ),
  row(
    'decision: about this intent',
    'agent/a1',
    'chain_broken',
    'other intent under a decision, token and plan',
    async (forge) => {
      const { decision } = await forge.chain()
      return { intent: (await forge.chain({ devices: ['d2'] })).intent, decision, devices: ['d2'] }
    },
  ),
  row(
    'decision: about this intent',
    'policy-evaluator',
    'chain_broken',
    'shown decision about another intent',
    async (forge) => {
      const other = await forge.chain({ rich: true })
      return { rich: true, shown: other.shown }
    },
  ),
  row(
    'decision: the earlier ones are those that first and shown name',
    'policy-evaluator',
    'chain_broken',
    'earlier decision left out',
    {
      rich: true,
      plan: { claims: { earlier: [] } },
    },
  ),
  row(
    'decision: the earlier ones are those that first and shown name',
    'policy-evaluator',
    'chain_broken',
    'earlier decision twice',
    {
      rich: true,
      plan: { claims: ({ earlier }: Plan) => ({ earlier: [...earlier, ...earlier] }) },
    },
  ),
  row(
    'decision: the earlier ones are those that first and shown name',
    'policy-evaluator',
    'chain_broken',
    'earlier decision that nobody names',
    async (forge) => {
      const { intent, decision } = await forge.chain()
      return { intent, decision, plan: { claims: { earlier: [decision] } } }
    },
  ),
  row(
    'decision: the earlier ones are those that first and shown name',
    'agent/a1',
    'chain_broken',
    'first decision that names one before it',
    {
      rich: true,
      shown: { claims: { first: 'A'.repeat(43) } },
    },
  ),
  row(
    'decision: the earlier ones are those that first and shown name',
    'policy-evaluator',
    'chain_broken',
    'decision and earlier decision in each other’s places',
    async (forge) => {
      const { intent, shown, decision, approvals, attestations } = await forge.chain({ rich: true })
      return {
        ...{ rich: true, intent, shown, approvals, attestations, decision: shown },
        plan: { claims: { earlier: [decision] } },
      }
    },
  ),
  row('decision: valid at the token’s iat', 'policy-evaluator', 'expired', 'old decision under a new token', {
    intent: { claims: { iat: at(-120), exp: at(60) }, rightful: true },
    decision: { claims: { iat: at(-100), exp: at(-40) }, rightful: true },
  }),
  ...(['deny', 'needs_approval', 'needs_attestation'] as const).map((outcome) =>
    row('decision: allows', 'policy-evaluator', 'policy_denied', `decision that says ${outcome}`, {
      decision: { claims: { outcome }, rightful: true },
    }),
  ),
  row('decision: allows', 'policy-evaluator', 'policy_denied', 'the shown decision as the final one', async (forge) => {
    const { intent, shown } = await forge.chain({ rich: true })
    return { intent, decision: shown }
  }),
  row(
    'decision: under the policy/active in records',
    'operator/root',
    'chain_broken',
    'decision under another version',
    {
      decision: { claims: ({ policy }: Decision) => ({ policy: { ...policy, version: 7 } }) },
    },
  ),
  row(
    'decision: under the policy/active in records',
    'operator/root',
    'chain_broken',
    'decision under another bundle',
    {
      decision: {
        claims: ({ policy }: Decision) => ({ policy: { ...policy, bundle_sha256: digestOf('other.other.') } }),
      },
    },
  ),
  row('decision: under the policy/active in records', 'operator/root', 'chain_broken', 'no record of the policy', {
    records: (all) => all.slice(0, -1),
  }),
]

const approving = (...approvals: NonNullable<Forgery['approvals']>): Forgery => ({ rich: true, approvals })
const good = (approver: string) => ({ approver })

const APPROVALS = (): readonly HostilePlan[] => [
  row(
    'approval: of this intent and the decision that was shown',
    'approver/p1',
    'chain_broken',
    'approval that names another intent beside this decision',
    approving({ approver: 'p1', claims: { intent_digest: digestOf('i.i.') }, rightful: true }, good('p2')),
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p1',
    'approval_required',
    'an approval that policy takes and the device’s floor does not',
    {
      ...{ rich: true, devices: ['d-approved'], approvals: [good('p-guest')], attestations: [] },
      shown: obliged({ approvals: { count: 1, roles: ['visitor'], expires_s: 600 } }),
      decision: obliged({ approvals: { count: 1, roles: ['visitor'], expires_s: 600 } }),
    },
  ),
  row('approvals: those that the decision names', 'approver/p2', 'chain_broken', 'approval left out of the plan', {
    rich: true,
    plan: { claims: ({ approvals }: Plan) => ({ approvals: approvals.slice(0, 1) }) },
  }),
  row('approvals: those that the decision names', 'policy-evaluator', 'chain_broken', 'approvals in another order', {
    rich: true,
    plan: { claims: ({ approvals }: Plan) => ({ approvals: approvals.toReversed() }) },
  }),
  row(
    'approvals: those that the decision names',
    'policy-evaluator',
    'chain_broken',
    'approval that nobody was asked for',
    async (forge) => {
      const { intent, decision } = await forge.chain()
      return { intent, decision, approvals: [good('p1')] }
    },
  ),
  row(
    'approvals: those that the decision names',
    'policy-evaluator',
    'chain_broken',
    'approval without a decision that was shown',
    {
      approvals: [good('p1')],
    },
  ),
  row(
    'approval: of a role that may',
    'approver/p1',
    'not_an_approver',
    'approval by somebody with no such role',
    approving(good('p-guest'), good('p2')),
  ),
  row(
    'approval: not by the user it is for',
    'approver/p1',
    'self_approval',
    'approval by the user for whom it is',
    approving(good('p-self'), good('p2')),
  ),
  row(
    'approval: of this intent and the decision that was shown',
    'approver/p1',
    'chain_broken',
    'approval of another intent',
    async (forge) => {
      const other = await forge.chain({ rich: true })
      return approving(other.approvals[0] as string, good('p2'))
    },
  ),
  row(
    'approval: of this intent and the decision that was shown',
    'approver/p1',
    'chain_broken',
    'approval of another decision about this intent',
    async (forge) => {
      const first = await forge.chain({ rich: true })
      return {
        ...approving(first.approvals[0] as string, good('p2')),
        intent: first.intent,
        shown: { claims: { iat: at(-1), exp: at(590) } },
      }
    },
  ),
  row(
    'approval: in its times',
    'approver/p1',
    'approval_expired',
    'approval that has expired',
    approving({ approver: 'p1', claims: { exp: at(-1) }, rightful: true }, good('p2')),
  ),
  row(
    'approval: in its times',
    'approver/p1',
    'approval_expired',
    'approval from before it was asked for',
    approving({ approver: 'p1', claims: { iat: at(-60) }, rightful: true }, good('p2')),
  ),
  row(
    'approval: in its times',
    'approver/p1',
    'approval_expired',
    'approval from after the time to approve',
    approving({ approver: 'p1', claims: { iat: at(700), exp: at(900) }, rightful: true }, good('p2')),
  ),
  row(
    'approval: its verdict',
    'approver/p1',
    'approval_rejected',
    'a reject among the approvals',
    approving({ approver: 'p1', claims: { verdict: 'reject' }, rightful: true }, good('p2')),
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p2',
    'approval_required',
    'one approval where two are wanted',
    approving(good('p1')),
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p2',
    'approval_required',
    'the same approval twice',
    async (forge) => {
      const { intent, shown, approvals } = await forge.chain({ rich: true })
      const [first = ''] = approvals
      return { ...approving(first, first), intent, shown }
    },
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p2',
    'approval_required',
    'two approvals of one approver',
    approving(good('p1'), { approver: 'p1', claims: { jti: 'again' } }),
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p2',
    'approval_required',
    'two approvers who are one user',
    approving(good('p1'), good('p-again')),
  ),
  row(
    'approvals: as many users as policy and floors want',
    'approver/p1',
    'approval_required',
    'no approval where policy wants one',
    {
      decision: obliged({ approvals: RICH.approvals }),
    },
  ),
  row(
    'approvals: as many users as policy and floors want',
    'operator/root',
    'approval_required',
    'no approval where the device’s floor wants one',
    {
      devices: ['d-approved'],
    },
  ),
  row(
    'approvals: of the obligations that were shown',
    'approver/p1',
    'approval_required',
    'wider obligations than were shown',
    {
      rich: true,
      decision: { claims: { obligations: { ...RICH, max_uses: 5 } } },
      token: { claims: { max_uses: 5 } },
    },
  ),
]

const attested = (claims: object): Forgery => ({ rich: true, attestations: [{ claims, rightful: true }] })

const ATTESTATIONS = (): readonly HostilePlan[] => [
  row(
    'attestations: those that the decision names',
    'policy-evaluator',
    'chain_broken',
    'result left out of the plan',
    {
      rich: true,
      plan: { claims: { attestations: [] } },
    },
  ),
  row(
    'attestations: those that the decision names',
    'policy-evaluator',
    'chain_broken',
    'another result than was decided about',
    async (forge) => {
      const other = await forge.chain({
        rich: true,
        attestations: [{ claims: { request: digestOf('a.b.') }, rightful: true }],
      })
      const { intent, shown, approvals, decision } = await forge.chain({ rich: true })
      return { rich: true, intent, shown, approvals, decision, attestations: other.attestations }
    },
  ),
  row(
    'attestation: there where policy or a floor wants one',
    'attestation-verifier',
    'attestation_required',
    'no result where policy wants one',
    {
      rich: true,
      attestations: [],
    },
  ),
  row(
    'attestation: there where policy or a floor wants one',
    'operator/root',
    'attestation_required',
    'no result where the device’s floor wants one',
    {
      devices: ['d-attested'],
    },
  ),
  row(
    'attestation: there where policy or a floor wants one',
    'attestation-verifier',
    'attestation_required',
    'the result of another agent',
    attested({ sub: 'agent/a2' }),
  ),
  row(
    'attestation: there where policy or a floor wants one',
    'attestation-verifier',
    'attestation_required',
    'the result of a gateway',
    attested({ sub: 'gateway/a1' }),
  ),
  row(
    'attestation: of the agent and the key that signed, its profile, affirming',
    'attestation-verifier',
    'attestation_failed',
    'the result of another key',
    attested({ cnf: { jkt: digestOf('x.y.') } }),
  ),
  row(
    'attestation: of the agent and the key that signed, its profile, affirming',
    'attestation-verifier',
    'attestation_failed',
    'another profile',
    attested({ profile: 'laptop' }),
  ),
  row(
    'attestation: of the agent and the key that signed, its profile, affirming',
    'attestation-verifier',
    'attestation_failed',
    'one part that is not affirmed',
    attested({ submods: { host: { 'ear.status': 'affirming' }, disk: { 'ear.status': 'warning' } } }),
  ),
  row(
    'attestation: of the agent and the key that signed, its profile, affirming',
    'attestation-verifier',
    'attestation_failed',
    'nothing that is affirmed',
    attested({ submods: {} }),
  ),
  row(
    'attestation: valid and fresh at the token’s iat',
    'attestation-verifier',
    'attestation_stale',
    'an old result',
    attested({ iat: at(-400), exp: at(100) }),
  ),
  row(
    'attestation: valid and fresh at the token’s iat',
    'attestation-verifier',
    'attestation_stale',
    'a result that has expired',
    attested({ iat: at(-100), exp: at(-1) }),
  ),
  row(
    'attestation: valid and fresh at the token’s iat',
    'operator/root',
    'attestation_stale',
    'a result that is older than the device’s floor allows',
    {
      ...attested({ iat: at(-100) }),
      devices: ['d-attested'],
    },
  ),
]

const NEIGHBOURS: readonly (readonly [string, Holder, object | ((good: Token) => object)])[] = [
  ['of another intent', 'agent/a1', { intent_digest: digestOf('i.i.') }],
  ['of another decision', 'policy-evaluator', { decision_digest: digestOf('d.d.') }],
  ['for another agent', 'agent/a1', { sub: 'a2' }],
  ['for another user', 'agent/a1', { user: 'u2' }],
]
const ALLOWED = (): readonly (readonly [string, object | ((good: Token) => object)])[] => [
  ['with more tries', { max_uses: 2 }],
  ['that lives longer than policy says', { exp: at(310) }],
  ['that was made to look younger', { iat: at(-4), nbf: at(-4), exp: at(299) }],
  ['with other groups', { groups: ['hall', 'tools'] }],
  ['without groups', { groups: [] }],
  ['with records of its own', ({ records }: Token) => ({ records: [...records, digestOf('r.r.')] })],
  ['with fewer records', ({ records }: Token) => ({ records: records.slice(1) })],
  ['bound to something of its own', { bind: { network: ['0.0.0.0/0'] } }],
]

const two = { devices: ['d1', 'd2'] } as const

const OWN = (): readonly HostilePlan[] => [
  row(
    'plan of this gateway',
    'operator/root',
    'wrong_gateway',
    'plan for another gateway',
    { plan: { claims: { gateway_id: 'g2' } } },
    'recorded',
  ),
  row(
    'plan of this gateway',
    'operator/root',
    'wrong_gateway',
    'the good plan of another gateway',
    { gateway: 'g2', devices: ['d3'] },
    'recorded',
  ),
  row(
    'cnf is the gateway’s key, without an act',
    'token-issuer',
    'constraint_failed',
    'token for the key of another gateway',
    (forge) => ({
      token: { claims: { cnf: { jkt: forge.signer('gateway/g2').kid } }, rightful: true },
    }),
  ),
  row('cnf is the gateway’s key, without an act', 'token-issuer', 'constraint_failed', 'token that an agent presents', {
    token: { claims: ({ cnf }: Token) => ({ cnf: { ...cnf, act: { jkt: cnf.jkt } } }), rightful: true },
  }),
  row(
    'cnf is the gateway’s key, without an act',
    'agent/a1',
    'constraint_failed',
    'intent that the agent itself presents',
    {
      intent: { claims: { delivery: 'agent' }, rightful: true },
    },
  ),
  ...NEIGHBOURS.map(([name, lacks, claims]) =>
    row('neighbours fit: digests, sub, user, plan_id', lacks, 'chain_broken', `token ${name}`, { token: { claims } }),
  ),
  row(
    'neighbours fit: digests, sub, user, plan_id',
    'token-issuer',
    'chain_broken',
    'token of another plan',
    async (forge) => ({
      token: (await forge.chain()).token,
    }),
    'recorded',
  ),
  row(
    'neighbours fit: digests, sub, user, plan_id',
    'token-issuer',
    'chain_broken',
    'token of another plan, and its plan_id',
    async (forge) => {
      const { token } = await forge.chain()
      const { plan_id } = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Token
      return { token, plan: { claims: { plan_id } } }
    },
  ),
  row(
    'neighbours fit: digests, sub, user, plan_id',
    'token-issuer',
    'chain_broken',
    'token of a decision that policy has made again',
    async (forge) => {
      const { intent, token } = await forge.chain()
      return { intent, token, decision: { claims: { input_sha256: digestOf('n.n.') } } }
    },
  ),
  row('neighbours fit: digests, sub, user, plan_id', 'agent/a1', 'chain_broken', 'plan id of its own choice', {
    token: { claims: { plan_id: 'p-mine' } },
    plan: { claims: { plan_id: 'p-mine' } },
  }),
  row(
    'neighbours fit: digests, sub, user, plan_id',
    'token-issuer',
    'chain_broken',
    'plan id of its own choice in the plan alone',
    {
      plan: { claims: { plan_id: 'p-other' } },
    },
    'recorded',
  ),
  row(
    'neighbours fit: digests, sub, user, plan_id',
    'agent/a1',
    'chain_broken',
    'plan id of its own choice in the token alone',
    { token: { claims: { plan_id: 'p-third' } } },
    'recorded',
  ),
  ...ALLOWED().map(([name, claims]) =>
    row('neighbours fit: the token is what the decision allows', 'policy-evaluator', 'chain_broken', `token ${name}`, {
      token: { claims },
    }),
  ),
  row(
    'neighbours fit: the token is what the decision allows',
    'policy-evaluator',
    'chain_broken',
    'token whose bind was dropped',
    {
      decision: obliged({ bind: { network: ['10.0.0.0/8'] } }),
    },
  ),
  row(
    'neighbours fit: the token is what the decision allows',
    'policy-evaluator',
    'chain_broken',
    'token whose bind was widened',
    {
      decision: obliged({ bind: { network: ['10.0.0.0/8'] } }),
      token: { claims: { bind: { network: ['10.0.0.0/8', '0.0.0.0/0'] } } },
    },
  ),
  row(
    'neighbours fit: the plan does not outlive its token',
    'token-issuer',
    'chain_broken',
    'plan that outlives its token',
    { plan: { claims: { exp: at(400) } } },
  ),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'step that the intent does not name', {
    ...two,
    intent: { claims: { targets: ['d1'] }, rightful: true },
  }),
  row('steps are the intent’s targets here', 'token-issuer', 'chain_broken', 'step left out', async (forge) => {
    const { intent, decision, token } = await forge.chain(two)
    return { ...two, intent, decision, token, plan: { claims: ({ steps }: Plan) => ({ steps: steps.slice(0, 1) }) } }
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'chain_broken', 'a step twice, in place of another', {
    ...two,
    plan: { claims: ({ steps }: Plan) => ({ steps: [...steps.slice(0, 1), ...steps.slice(0, 1)] }) },
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'a step twice', {
    plan: { claims: ({ steps }: Plan) => ({ steps: [...steps, ...steps] }) },
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'steps in another order', {
    ...two,
    plan: { claims: ({ steps }: Plan) => ({ steps: steps.toReversed() }) },
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'steps with each other’s devices', {
    ...two,
    plan: {
      claims: {
        steps: [
          { step_id: 's0', device_id: 'd2' },
          { step_id: 's1', device_id: 'd1' },
        ],
      },
    },
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'step under another id', {
    plan: { claims: { steps: [{ step_id: 's1', device_id: 'd1' }] } },
  }),
  row('steps are the intent’s targets here', 'agent/a1', 'scope_exceeded', 'step of another gateway’s device', {
    devices: ['d1', 'd3'],
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'wider scope', {
    token: { claims: { scope: ['device:restart:d1', 'device:restart:d2'] } },
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'scope of another action', {
    token: { claims: { scope: ['device:telemetry-read:d1'] } },
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'scope of another device', {
    token: { claims: { scope: ['device:restart:d2'] } },
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'scope left out', {
    ...two,
    token: { claims: { scope: ['device:restart:d1'] } },
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'scope in another order', {
    ...two,
    token: { claims: ({ scope }: Token) => ({ scope: scope.toReversed() }) },
  }),
  row('scope is the steps’', 'agent/a1', 'scope_exceeded', 'other action in intent than in scope', {
    intent: { claims: { action: 'telemetry-read' }, rightful: true },
    token: { claims: { scope: ['device:restart:d1'] } },
  }),
]

/** Their times are relative to now. */
export const hostilePlans = (): readonly HostilePlan[] => [
  ...[...SIZE, ...FORM, ...TYP, ...CLAIMS, ...WHO, ...SIGNED, ...TIMES(), ...RECORDS],
  ...[...INTENT(), ...DECISIONS(), ...APPROVALS(), ...ATTESTATIONS(), ...OWN()],
]
