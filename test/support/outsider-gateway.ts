import { createHash } from 'node:crypto'
import { type Consumer, type ConsumerInfo, type JsMsg, jetstream } from '@nats-io/jetstream'
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { Outsider } from './outsider.ts'
import {
  type Claims,
  digest,
  freshId,
  nowSeconds,
  type Opened,
  open,
  signed,
  uuidV7,
  verified,
} from './outsider-jws.ts'

export interface TakenPlan {
  readonly message: JsMsg
  readonly plan: Opened
  readonly token: Opened
  readonly intent: Opened
  readonly decision: Opened
}

interface PlanClaims {
  readonly intent: string
  readonly decision: string
  readonly token: string
  readonly earlier: readonly string[]
  readonly approvals: readonly string[]
  readonly records: readonly string[]
  readonly plan_id: string
}

interface Step {
  readonly step_id: string
  readonly device_id: string
}

/** The steps of a plan. */
export const stepsOf = ({ plan }: Pick<TakenPlan, 'plan'>): readonly Step[] => plan.claims['steps'] as readonly Step[]

/** An edge gateway that somebody else has written after the contract: it pulls, verifies, redeems, acts and signs. */
export class OutsiderGateway {
  readonly me: Outsider
  readonly #consumer: Consumer
  readonly #boot = freshId().slice(0, 8)
  #seq = 0
  #prev: string | undefined

  constructor(me: Outsider) {
    this.me = me
    const info = { stream_name: 'PLANS', name: `gateway-${me.id}`, config: {} } as ConsumerInfo
    this.#consumer = jetstream(me.nc, { checkAPI: false }).consumers.getConsumerFromInfo(info)
  }

  get source(): string {
    return `gateway/${this.me.id}/${this.#boot}`
  }

  /** One audit message with these events, chained to the one before. Returns its sequence in the chain. */
  async record(...events: readonly Claims[]): Promise<number> {
    const { me } = this
    const claims = {
      ...this.#envelope(),
      source: this.source,
      seq: this.#seq,
      ...(this.#prev !== undefined && { prev: this.#prev }),
      events: events.map((event) => ({
        event_id: uuidV7(),
        timestamp: new Date().toISOString(),
        gateway_id: me.id,
        ...event,
      })),
    }
    const message = await signed(me.key, 'writ-audit+jwt', claims)
    await me.js.publish(me.at('audit', 'gateway', me.id, this.#boot), message)
    this.#prev = digest(message)
    this.#seq += 1
    return claims.seq
  }

  async report(deviceId: string, state: Claims, address: string): Promise<void> {
    const claims = { ...this.#envelope(), device_id: deviceId, state, observed_at: nowSeconds(), address }
    const message = await signed(this.me.key, 'writ-report+jwt', claims)
    await this.me.js.publish(this.me.at('report', this.me.id, deviceId), message)
  }

  /** The next plan, unverified; undefined: none came in time. */
  async pull(withinMs = 15_000): Promise<JsMsg | undefined> {
    return (await this.#consumer.next({ expires: withinMs, bind: true } as { expires: number })) ?? undefined
  }

  /** The next plan, with its chain verified as far as a plan without attestations has one. */
  async take(withinMs?: number): Promise<TakenPlan> {
    const message = await this.pull(withinMs)
    if (message === undefined) throw new Error('no plan came')
    return { message, ...(await this.#verify(Buffer.from(message.data).toString())) }
  }

  async #verify(compact: string): Promise<Omit<TakenPlan, 'message'>> {
    const { me } = this
    const plan = await me.fromService(compact, 'intent-gateway', 'writ-plan+jwt')
    const p = plan.claims as unknown as PlanClaims
    const token = await me.fromService(p.token, 'token-issuer', 'writ-token+jwt', me.id)
    const decision = await me.fromService(p.decision, 'policy-evaluator', 'writ-decision+jwt')
    const records = await Promise.all(p.records.map((value) => me.verifyRecord(value)))
    const agent = records.find(({ claims }) => claims['kind'] === 'agent')?.claims ?? {}
    const intent = await byOneOf((agent['record'] as { keys: JWK[] }).keys, p.intent, 'writ-intent+jwt')
    await this.#verifyApprovals(p, records, intent, decision)
    const t = token.claims
    const action = String(intent.claims['action'])
    const planId = `p${createHash('sha256').update(`${intent.digest}/${me.id}`).digest('base64url').slice(0, 21)}`
    const steps = stepsOf({ plan })
    const facts: readonly (readonly [unknown, unknown])[] = [
      [plan.claims['gateway_id'], me.id],
      [p.plan_id, planId],
      [t['plan_id'], planId],
      [t['sub'], intent.claims['iss']],
      [t['user'], intent.claims['on_behalf_of']],
      [(t['cnf'] as { jkt: string }).jkt, me.key.kid],
      [t['intent_digest'], intent.digest],
      [t['decision_digest'], decision.digest],
      [decision.claims['intent_digest'], intent.digest],
      [decision.claims['outcome'], 'allow'],
      [String(t['records']), String(records.map((record) => record.digest))],
      [String(t['scope']), String(steps.map(({ device_id }) => `device:${action}:${device_id}`))],
      [agent['id'], intent.claims['iss']],
    ]
    for (const [found, wanted] of facts)
      if (found !== wanted) throw new Error(`chain broken: ${found} is not ${wanted}`)
    const now = nowSeconds()
    if (Number(t['exp']) <= now || Number(plan.claims['exp']) > Number(t['exp'])) throw new Error('a token out of time')
    return { plan, token, intent, decision }
  }

  /** Each approval is by a registered approver, about this intent, and about the decision that `shown` names. */
  async #verifyApprovals(p: PlanClaims, records: readonly Opened[], intent: Opened, decision: Opened): Promise<void> {
    const { approvals: named, shown } = decision.claims as { approvals: string[]; shown?: string }
    if (String(named) !== String(p.approvals.map(digest))) throw new Error('the decision names other approvals')
    const earlier = await Promise.all(
      p.earlier.map((each) => this.me.fromService(each, 'policy-evaluator', 'writ-decision+jwt')),
    )
    for (const each of p.approvals) {
      const id = open(each).claims['iss']
      const record = records.find(({ claims }) => claims['kind'] === 'approver' && claims['id'] === id)
      const { keys } = (record?.claims['record'] ?? { keys: [] }) as { keys: JWK[] }
      const { claims } = await byOneOf(keys, each, 'writ-approval+jwt')
      if (claims['intent_digest'] !== intent.digest || claims['decision_digest'] !== shown)
        throw new Error('an approval of something else')
    }
    if (p.approvals.length > 0 && !earlier.some((each) => each.digest === shown))
      throw new Error('the decision that was shown is not there')
  }

  /** The redeem of the first use of a step; its bytes are what is sent, however often. */
  redeemOf({ plan, token }: Pick<TakenPlan, 'plan' | 'token'>, stepId: string, changes: Claims = {}): Promise<string> {
    const iat = nowSeconds()
    return signed(this.me.key, 'writ-redeem+jwt', {
      ...this.#envelope(),
      exp: iat + 60,
      jti: freshId(),
      token_id: token.claims['jti'],
      token_digest: token.digest,
      use_id: `${plan.claims['plan_id']}/${stepId}/1`,
      ...changes,
    })
  }

  /** Sends a redeem and verifies the answer: `writ-redeemed`, or the code of the no. */
  async redeem(redeem: string, timeoutMs?: number): Promise<{ readonly use?: number; readonly code?: string }> {
    const { me } = this
    const reply = await me.ask(me.at('redeem', me.id), redeem, timeoutMs)
    const { typ } = open(reply)
    const { claims } = await me.fromService(reply, 'token-issuer', typ)
    if (claims['request'] !== digest(redeem)) throw new Error('the answer is about another redeem')
    if (typ === 'writ-result+jwt') return { code: String(claims['code']) }
    if (typ !== 'writ-redeemed+jwt') throw new Error(`a redeem is answered by ${typ}`)
    const { stream, seq } = claims['rev_head'] as { stream: string; seq: number }
    const control = await me.readControl()
    if (control.stream !== stream || control.seq < seq) throw new Error('CONTROL is not what token-issuer applied')
    return { use: Number(claims['use']) }
  }

  /** Publishes an outcome of a step and returns its exact bytes. */
  async outcome(
    { plan, token, intent }: Pick<TakenPlan, 'plan' | 'token' | 'intent'>,
    step: Step,
    state: string,
    more: Claims = {},
  ): Promise<string> {
    const { me } = this
    const compact = await signed(me.key, 'writ-outcome+jwt', {
      ...this.#envelope(),
      plan_id: plan.claims['plan_id'],
      token_id: token.claims['jti'],
      intent_digest: intent.digest,
      step_id: step.step_id,
      use_id: `${plan.claims['plan_id']}/${step.step_id}/1`,
      device_id: step.device_id,
      action: intent.claims['action'],
      state,
      ...more,
    })
    await me.js.publish(me.at('outcome', me.id), compact)
    return compact
  }

  async applied(): Promise<void> {
    const { stream, seq } = await this.me.readControl()
    const claims = { ...this.#envelope(), rev: { stream, seq }, running: [] }
    this.me.nc.publish(this.me.at('applied', this.me.id), await signed(this.me.key, 'writ-applied+jwt', claims))
  }

  #envelope(): { iss: string; aud: string; iat: number } {
    return { iss: this.me.id, aud: this.me.aud, iat: nowSeconds() }
  }
}

async function byOneOf(keys: readonly JWK[], compact: string, typ: string): Promise<Opened> {
  const { kid } = open(compact)
  for (const jwk of keys) if ((await calculateJwkThumbprint(jwk, 'sha256')) === kid) return verified(compact, jwk, typ)
  throw new Error('the record has no such key')
}
