import {
  ControlState,
  type ControlStep,
  createAuthority,
  openAnswer,
  parseFiledValue,
  recordsInForce,
  verifyChain,
  verifyPlan,
} from '@writ/authority'
import {
  cosignMessage,
  issueRpc,
  keyMessage,
  planMessage,
  type RecordKind,
  type Redeemed,
  redeemedMessage,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, openMessage, parseIJson, type Signer, signMessage, toBase64url } from '@writ/keys'
import fc from 'fast-check'
import { AUDIENCE, REGION } from '../../support/world.ts'
import { bytes, type Format, format, jsonBytes, REFUSED, textOf } from '../format.ts'
import { atFixedTime, fuzzPlant } from '../plant.ts'
import { anyJson } from './json.ts'

const payloadOf = (compact: string): Uint8Array => Buffer.from(compact.split('.')[1] as string, 'base64url')
const claimsOf = (compact: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(payloadOf(compact)).toString('utf8')) as Record<string, unknown>

/** What a thief of the signer's key would send: any payload, well signed. */
function signRaw({ alg, kid, sign }: Signer, typ: string, payload: Uint8Array): string {
  const input = `${toBase64url(JSON.stringify({ alg, kid, typ }))}.${toBase64url(payload)}`
  return `${input}.${toBase64url(sign(Buffer.from(input)) as Uint8Array)}`
}

/** Objects with the members of an object, each as it is or anything. */
function around(sample: object): fc.Arbitrary<Uint8Array> {
  const members = Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [
      name,
      fc.oneof({ weight: 4, arbitrary: fc.constant<unknown>(value) }, anyJson),
    ]),
  )
  return fc.record(members, { requiredKeys: [] }).map(jsonBytes)
}

/**
 * Plans by whoever holds intent-gateway's key: the claims are free, the chain inside is not. Whatever is accepted runs exactly the
 * steps that agent, policy, approvers, operators and token-issuer signed for.
 */
export async function plan(): Promise<Format> {
  const { plant, now, plans } = await fuzzPlant()
  const gateway = { id: 'g1', kid: plant.world.signerOf('gateway', 'g1').kid }
  return format({
    name: 'plan',
    samples: plans.map((parts) => payloadOf(parts.plan)),
    garbage: around(claimsOf((plans[3] as (typeof plans)[0]).plan)),
    genuine: true,
    read: (input) => {
      const compact = signRaw(plant.world.services['intent-gateway'], planMessage.typ, input)
      const verified = verifyPlan(plant.authority, compact, gateway, now)
      const { claims } = verified.plan
      const { intent, decision, earlier, approvals } = verified.chain
      return {
        steps: claims.steps.map(({ step_id, device_id }) => [step_id, device_id]),
        gateway: claims.gateway_id,
        plan: claims.plan_id,
        digests: [verified.token, intent, decision, ...earlier, ...approvals.map(({ approval }) => approval)].map(
          ({ jws }) => jws.digest,
        ),
        records: claims.records.map((value) => digestOf(value.split('\n')[0] as string)),
        touched: verified.touched,
      }
    },
  })
}

/** The same by whoever holds token-issuer's key as well: tokens are free too, and still nothing runs that was not asked for, decided and approved. */
export async function planAndToken(): Promise<Format> {
  const { plant, now, plans } = await fuzzPlant()
  const gateway = { id: 'g1', kid: plant.world.signerOf('gateway', 'g1').kid }
  const { services } = plant.world
  const samples = plans.map(({ plan: signed, token }) => ({ plan: claimsOf(signed), token: claimsOf(token) }))
  return format({
    name: 'plan-and-token',
    samples: samples.map(jsonBytes),
    garbage: around(samples[0]?.token ?? {}).map((token) =>
      jsonBytes({ plan: samples[0]?.plan, token: JSON.parse(textOf(token)) as unknown }),
    ),
    genuine: true,
    read: (input) => {
      const { plan: claims, token } = parseIJson(input)
      const signedToken = signRaw(services['token-issuer'], tokenMessage.typ, jsonBytes(token ?? null))
      const payload = jsonBytes({ ...(Object(claims) as object), token: signedToken })
      const compact = signRaw(services['intent-gateway'], planMessage.typ, payload)
      const verified = verifyPlan(plant.authority, compact, gateway, now)
      const { intent, decision, earlier, approvals } = verified.chain
      return {
        steps: verified.plan.claims.steps.map(({ step_id, device_id }) => [step_id, device_id]),
        gateway: verified.token.claims.aud,
        scope: verified.token.claims.scope,
        maxUses: verified.token.claims.max_uses,
        digests: [intent, decision, ...earlier, ...approvals.map(({ approval }) => approval)].map(
          ({ jws }) => jws.digest,
        ),
      }
    },
  })
}

/** The chain as services verify it, with the records in force. */
export async function chain(): Promise<Format> {
  const { plant, now, plans } = await fuzzPlant()
  const records = recordsInForce(plant.authority)
  const samples = plans.map(({ plan: signed }) => {
    const { intent, decision, earlier, approvals, attestations } = claimsOf(signed)
    return { gateway_id: 'g1', intent, decision, earlier, approvals, attestations, reports: [] }
  })
  return format({
    name: 'chain',
    samples: samples.map(jsonBytes),
    garbage: around(samples[3] ?? {}),
    genuine: true,
    read: (input) => {
      const asked = issueRpc.request.safeParse(parseIJson(input))
      if (!asked.success) return REFUSED
      const { intent, decision, earlier, approvals, devices } = verifyChain(
        plant.authority,
        asked.data as Parameters<typeof verifyChain>[1],
        records,
        now,
      )
      return {
        digests: [intent, decision, ...earlier, ...approvals.map(({ approval }) => approval)].map(
          ({ jws }) => jws.digest,
        ),
        devices: devices.map(({ id }) => id),
        user: intent.claims.on_behalf_of,
      }
    },
  })
}

/** CONTROL as a stream of lines. Whatever lies there, only what an operator signed for that place is applied. */
export async function control(): Promise<Format> {
  const { plant } = await fuzzPlant()
  const { world } = plant
  const signed = await atFixedTime(() =>
    Promise.all([
      world.control({ command: 'genesis', stream: 's1', prev: 0 }),
      world.control({ command: 'revoke', scope: 'agent', id: 'a1', quarantine: true, prev: 1 }),
      world.control({ command: 'revoke', scope: 'all', prev: 2 }),
      world.control({ command: 'lift', lifts: 2, prev: 3 }),
      world.control({ command: 'revoke', scope: 'user', id: 'u1', prev: 1 }),
    ]),
  )
  const [genesis = '', revoke = '', all = '', lift = '', other = ''] = signed
  const known = new Map(signed.map((compact) => [digestOf(compact), claimsOf(compact)['prev']]))
  const streams = [
    [genesis, revoke, all],
    [genesis, other],
    [genesis, revoke, all, lift],
  ]
  return format<readonly ControlStep[]>({
    name: 'control',
    samples: streams.map((lines) => bytes(lines.join('\n'))),
    garbage: fc
      .array(
        fc.oneof(
          fc.constantFrom(...signed, ''),
          anyJson.map((value) => signRaw(world.root, 'writ-control+jwt', jsonBytes(value))),
        ),
        { maxLength: 4 },
      )
      .map((lines) => bytes(lines.join('\n'))),
    read: (input) => {
      const state = new ControlState({
        audience: AUDIENCE,
        operatorKey: (id, kid) => (id === 'root' && kid === world.root.kid ? world.root.jwk : undefined),
        isPinned: (id) => id === 'root',
      })
      const lines = Buffer.from(input).toString('latin1').split('\n').slice(0, 6)
      const steps = lines.map((line, at) =>
        state.apply({ operatorId: 'root', seq: at + 1, data: Buffer.from(line, 'latin1'), ttl: false }),
      )
      const applied = steps.filter(({ kind }) => kind === 'applied').length
      return applied === 0 ? REFUSED : steps
    },
    check: (steps) => {
      for (const step of steps) {
        // The garbage is signed by the operator's own key: what it says may be applied where it fits.
        if (step.kind !== 'applied' || !known.has(step.digest)) continue
        if (known.get(step.digest) !== step.control.prev) return 'A control message was applied with another meaning.'
      }
      return steps.some(({ kind, seq }, at) => kind === 'applied' && seq !== at + 1)
        ? 'Applied at another place.'
        : undefined
    },
    meaning: (steps) =>
      steps.map((step) =>
        step.kind === 'void'
          ? [step.kind, step.reason.code]
          : step.kind === 'applied'
            ? [step.kind, step.digest]
            : [step.kind],
      ),
  })
}

/** Control messages of an operator, verified one by one: nothing counts that was not signed. */
export async function controlMessages(): Promise<Format> {
  const { plant } = await fuzzPlant()
  const { world } = plant
  const signed = await atFixedTime(() =>
    Promise.all([
      world.control({ command: 'genesis', stream: 's1', prev: 0 }),
      world.control({ command: 'genesis', stream: 's2', follows: { stream: 's1', seq: 9 }, prev: 0 }),
    ]),
  )
  return format({
    name: 'control-message',
    samples: signed.map(bytes),
    garbage: fc.constantFrom(...signed).map((compact) => bytes(compact.replace(/\.[^.]*\./, '.e30.'))),
    genuine: true,
    read: (input) => {
      const { control: state } = createAuthority(REGION, world.trust)
      const step = state.apply({ operatorId: 'root', seq: 1, data: input, ttl: false })
      if (step.kind !== 'applied') return REFUSED
      return { digest: step.digest, control: step.control, stream: state.stream }
    },
  })
}

/** Filed records with their cosigns, and whether they count. */
export async function record(): Promise<Format> {
  const { plant } = await fuzzPlant()
  const { world, values } = plant
  const [second, trust] = [world.signerOf('operator', 'second'), { ...world.trust }]
  const pins = { ...trust, operators: { ...trust.operators, second: second.jwk }, two_person: ['policy' as const] }
  const policy = values.get('policy.active') as string
  const { iat, exp } = claimsOf(policy) as { iat: number; exp: number }
  const cosigned = await signMessage(second, cosignMessage, {
    iss: 'second',
    aud: AUDIENCE,
    iat,
    exp,
    command_digest: digestOf(policy),
  })
  const samples = [values.get('agent.a1'), values.get('device.d1'), `${policy}\n${cosigned}`] as string[]
  return format({
    name: 'record',
    samples: samples.map(bytes),
    garbage: fc
      .array(fc.constantFrom(...samples, policy, cosigned, '', 'a.b.c'), { maxLength: 5 })
      .map((lines) => bytes(lines.join('\n'))),
    genuine: true,
    read: (input) => {
      const { kind, id } = parseFiledValue(input).command.claims
      const { trust: store } = createAuthority(REGION, pins)
      store.apply({ kind, id, data: input })
      const found = store.record(kind as RecordKind, id)
      if (found === undefined) return REFUSED
      const { version, digest } = found
      return { kind, id, version, digest, record: found.record }
    },
  })
}

/** Key endorsements: a service's key counts only as its anchor signed. */
export async function endorsement(): Promise<Format> {
  const { plant, now } = await fuzzPlant()
  const samples = await atFixedTime(() =>
    Promise.all((['token-issuer', 'audit-sink'] as const).map((role) => plant.world.endorse(role))),
  )
  return format({
    name: 'endorsement',
    samples: samples.map(bytes),
    garbage: around(claimsOf(samples[0] as string)).map((payload) =>
      bytes(signRaw(plant.world.services['token-issuer'], keyMessage.typ, payload)),
    ),
    genuine: true,
    read: (input) => {
      const { claims } = openMessage(keyMessage, input)
      const { trust } = createAuthority(REGION, plant.world.trust)
      if (trust.apply({ kind: 'key', id: claims.kid, data: input }) === 'left out') return REFUSED
      const { role, kid, jwk, iat, exp } = trust.endorsementAt(claims.role, claims.kid, now)
      return { role, kid, jwk, iat, exp }
    },
  })
}

/** A live answer of a service. */
export async function answer(): Promise<Format> {
  const { plant, now } = await fuzzPlant()
  const signer = plant.world.services['token-issuer']
  const claims: Redeemed = {
    iss: 'token-issuer',
    aud: AUDIENCE,
    iat: now,
    request: `${'A'.repeat(42)}A`,
    use: 1,
    of: 2,
    rev_head: { stream: 's1', seq: 1 },
  }
  const samples = [
    await signMessage(signer, redeemedMessage, claims),
    await signMessage(signer, redeemedMessage, { ...claims, use: 2 }),
  ]
  return format({
    name: 'answer',
    samples: samples.map(bytes),
    garbage: around(claims).map((payload) =>
      bytes(signRaw(plant.world.services['policy-evaluator'], redeemedMessage.typ, payload)),
    ),
    genuine: true,
    read: (input) => openAnswer(plant.authority, 'token-issuer', redeemedMessage, input, now),
  })
}
