import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { SubmittedIntent } from '@writ/agent-sdk'
import { parseTlogProof, parseVkey, verifyTlogProof } from '@writ/audit'
import { digestOf } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, type Ran, root, startLocalStack } from './support/local-stack.ts'
import { until } from './support/outsider.ts'
import { Lab, USER } from './support/promises-lab.ts'

// An intent that a person approved, and one whose agent was revoked before it, on the whole running system; then the log is read as an auditor
// reads it: a copy of its folder, the pins, and perhaps keys.

const PURPOSE = 'Look <script>alert(1)</script> \u{202e}here'

interface Shown {
  readonly leaf: number
  readonly verified: boolean
  readonly event: { readonly type: string; readonly intent_digest?: string; readonly detail?: Record<string, unknown> }
  readonly documents: readonly { readonly typ: string; readonly state: string }[]
  readonly proof?: string
}

interface Signed {
  readonly source: string
  readonly kid: string
}

let local: LocalStack
let lab: Lab
let tail: Tail
let intent: SubmittedIntent
let denied: SubmittedIntent
let bundle: string
/** A bare copy of the store, and what an auditor was given beside it. */
let copy: string
let given: readonly string[]

beforeAll(async () => {
  local = await startLocalStack('cli-audit')
  lab = await Lab.open(local)
  tail = new Tail(local.home)
  await lab.gateway('gw-audit')
  await lab.device('audited', 'gw-audit', {
    floors: { 'telemetry-read': { approvals: { count: 1, roles: ['plant-manager'] } } },
  })
  const request = { action: 'telemetry-read', targets: ['audited'], onBehalfOf: USER, purpose: PURPOSE }
  intent = await lab.agent.submit(request)
  await lab.state(intent, 'needs_approval')
  const marta = await lab.approver('marta')
  const { decision } = await marta.pending(intent.digest)
  await marta.say(intent.digest, digestOf(decision), 'approve')
  expect((await lab.end(intent)).state).toBe('succeeded')
  const seq = await lab.revoke('agent', lab.agent.id)
  denied = await lab.agent.submit(request)
  expect((await lab.end(denied)).state).toBe('denied')
  await local.writ(['lift', String(seq)])
  bundle = lab.stack.operator.authority.trust.record('policy', 'active')?.record.bundle_sha256 ?? ''
  await until('all of it is in the log', () => lift(tail) && ended(tail))
  copy = join(local.home, 'copy')
  await cp(local.stack.paths.store, copy, { recursive: true })
  const keys = join(local.home, 'keys.json')
  await local.writ(['audit', 'keys', '--out', keys])
  const trust = join(local.stack.paths.identity('agent', 'maintenance'), 'enrolment.json')
  given = [copy, '--trust', trust, '--subject-keys', keys]
})
afterAll(async () => {
  await tail?.stop()
  await lab?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

/** Gateways say that they applied it; intent-gateway's event has the message itself. */
const lift = ({ events }: Tail) =>
  events.some(({ event, documents }) => event.detail?.['command'] === 'lift' && documents.length > 0)
const ended = ({ events }: Tail) =>
  events.filter(({ event }) => event.type === 'action.succeeded' && event.intent_digest === intent.digest).length === 2

/** `writ audit tail --follow`, as a process that is interrupted at the end. */
class Tail {
  readonly #child: ReturnType<typeof spawn>
  readonly #closed: Promise<unknown>
  #text = ''

  constructor(home: string) {
    const args = ['--home', home, '--json', 'audit', 'tail', '--follow', '--lines', '1000']
    this.#child = spawn(process.execPath, [join(root, 'packages/cli/bin/writ.js'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#closed = once(this.#child, 'close')
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#text += chunk
    })
  }

  get events(): readonly Shown[] {
    const whole = this.#text.slice(0, this.#text.lastIndexOf('\n') + 1)
    return whole
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Shown)
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGINT')
    await this.#closed
    return this.#child.exitCode
  }
}

/** Reads the copy with no plane at hand. */
async function audit(command: string, ...args: readonly string[]): Promise<Ran> {
  const nowhere = ['--home', join(local.home, 'nowhere')]
  return await local.writ([...nowhere, 'audit', command, ...args], { fails: true })
}

describe('writ audit tail --follow', () => {
  test('shows each event as it is sealed, verified and in the order of the log, until it is interrupted', async () => {
    expect(tail.events.every(({ verified }) => verified)).toBe(true)
    const leaves = tail.events.map(({ leaf }) => leaf)
    expect(leaves).toEqual(leaves.toSorted((a, b) => a - b))
    expect(await tail.stop()).toBe(0)
  })
})

describe('writ audit trace', () => {
  test('tells one intent from who asked to what came back, with proofs for anybody', async () => {
    const { code, json } = await audit('trace', ...given, '--intent', intent.id)
    expect([code, json['ok'], json['whole']]).toEqual([0, true, true])
    const [story] = json['intents'] as [Record<string, unknown> & { readonly events: readonly Shown[] }]
    expect(story).toMatchObject({
      state: 'succeeded',
      agent_id: lab.agent.id,
      intent: { on_behalf_of: USER, purpose: PURPOSE, targets: ['audited'] },
      decisions: [
        {
          outcome: 'needs_approval',
          decided_again: { state: 'not possible', why: expect.stringContaining('--bundle') },
        },
        { outcome: 'allow', policy: { bundle_sha256: bundle } },
      ],
      approvals: [{ verdict: 'approve', approval: { iss: 'marta' } }],
      steps: [{ device_id: 'audited', gateway_id: 'gw-audit', outcome: { result: { done: 'yes' } } }],
    })
    const types = story.events.map(({ event }) => event.type)
    const chain = ['intent.accepted', 'policy.decided', 'approval.given', 'token.issued', 'plan.dispatched']
    const order = [...chain, 'token.redeemed', 'action.started', 'action.succeeded'].map((type) => types.indexOf(type))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(order).not.toContain(-1)
    const { logVkey } = local.stack.plane
    for (const { leaf, proof = '' } of story.events) {
      expect(parseTlogProof(proof).index).toBe(leaf)
      expect(proof).toContain(logVkey.split('+')[0])
    }
  })

  test('decides each decision again: with the bundle’s file, or with what the plane has published; not without keys', async () => {
    const file = join(root, 'policies/bundle/bundle.tar.gz')
    const same = { decided_again: { state: 'same' } } as const
    const told = { ok: true, intents: [{ decisions: [same, same] }] }
    expect((await audit('trace', ...given, '--intent', intent.id, '--bundle', file)).json).toMatchObject(told)
    expect((await local.writ(['audit', 'trace', '--intent', intent.id, '--open'])).json).toMatchObject(told)
    const sealed = await audit('trace', ...given.slice(0, -2), '--intent', intent.id, '--bundle', file)
    const why = expect.stringContaining('sealed to this reader')
    expect(sealed.json).toMatchObject({
      intents: [{ decisions: [{ decided_again: { state: 'not possible', why } }, {}] }],
    })
  })

  test('finds an intent by its token, and says what the approver was shown', async () => {
    const token = tail.events.find(({ event }) => event.type === 'token.redeemed')?.event as { token_id?: string }
    const { json } = await audit('trace', ...given, '--token', token.token_id ?? '')
    expect(json).toMatchObject({ ok: true, intents: [{ digest: intent.digest }], others: [] })
    const nowhere = ['--home', join(local.home, 'nowhere'), 'audit', 'trace', ...given, '--intent', intent.id]
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'packages/cli/bin/writ.js'), ...nowhere])
    expect(stdout).toMatch(
      /approved +by marta: was shown decision \S+ \(needs approval under policy version \d+\): intent/,
    )
    expect(stdout).toContain('1 of plant-manager must approve')
  })

  test('of an agent it has the revoke that stopped it too, for who can open it', async () => {
    const { json } = await audit('trace', ...given, '--agent', lab.agent.id)
    expect(json).toMatchObject({
      ok: true,
      intents: [{ state: 'succeeded' }, { state: 'denied', reasons: ['revoked'] }],
    })
    const others = (json['others'] as readonly Shown[]).map(({ event }) => event.detail?.['command'] ?? event.type)
    expect(others).toEqual(['record.filed', 'revoke', 'lift'])
  })

  test('without keys names and purposes stay sealed; the plane’s own operator opens them with --open', async () => {
    const sealed = await audit('trace', ...given.slice(0, -2), '--intent', intent.id)
    expect([sealed.code, sealed.out]).toEqual([0, expect.not.stringContaining(USER)])
    // A revoke of the agent, for one, cannot be told from others then.
    expect(sealed.json).toMatchObject({ keys_given: false })
    const opened = await local.writ(['audit', 'trace', '--intent', intent.digest, '--open'])
    expect(opened.json).toMatchObject({ ok: true, intents: [{ intent: { purpose: PURPOSE } }] })
  })
})

describe('writ audit show', () => {
  test('hands one entry over, to be verified with the pinned key alone', async () => {
    const leaf = tail.events.find(({ event }) => event.type === 'token.redeemed')?.leaf ?? 0
    const [proof, entry] = [join(local.home, 'one.tlog-proof'), join(local.home, 'one.jws')]
    const { code } = await audit('show', String(leaf), ...given, '--proof', proof, '--entry', entry)
    expect(code).toBe(0)
    const parsed = parseTlogProof(await readFile(proof, 'utf8'))
    const { size } = verifyTlogProof(parsed, await readFile(entry), [parseVkey(local.stack.plane.logVkey)])
    expect([parsed.index, size > leaf]).toEqual([leaf, true])
  })
})

describe('writ audit report', () => {
  test('tells both in one file that runs nothing, with the verdict and the proofs', async () => {
    const file = join(local.home, 'report.html')
    const { code, json } = await audit('report', ...given, '--html', file, '--agent', lab.agent.id)
    expect([code, json]).toMatchObject([0, { ok: true, intents: 2, findings: [] }])
    const page = await readFile(file, 'utf8')
    for (const said of ['✓ VERIFIED', USER, 'marta', bundle, 'Refused because', local.stack.plane.logVkey.slice(0, 60)])
      expect(page).toContain(said)
    expect(page).toContain('Look &lt;script&gt;alert(1)&lt;/script&gt; <b class="unseen">U+202E</b>here')
    expect(page).not.toMatch(/<script|\u{202e}|https?:\/\/|url\(/u)
  })
})

describe('writ audit verify', () => {
  test('verifies the copy with pins alone, and opened; says the verdict in sentences', async () => {
    for (const args of [given, given.slice(0, -2)]) {
      const { code, json } = await audit('verify', ...args)
      expect([code, json]).toMatchObject([0, { ok: true, findings: [] }])
      expect(json['statement']).toContainEqual(
        expect.stringMatching(/^VERIFIED: the audit log .* is whole and unaltered/),
      )
    }
  })

  test('of a service whose key was revoked, and that was started again, it finds nothing wrong: it had not gone on', async () => {
    const evaluators = async () => {
      const { out } = await local.writ(['audit', 'tail', '--lines', '1000'])
      const shown = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Shown & Signed]))
      return shown.filter(({ source }) => source.startsWith('policy-evaluator/'))
    }
    const kid = (await evaluators()).at(-1)?.kid ?? ''
    const seq = await lab.revoke('key', kid)
    await until('it is told of, by id in the clear', async () => {
      const { json } = await local.writ(['audit', 'trace', '--from', '2m'])
      return (json['others'] as readonly Shown[]).some(
        ({ event: { detail } }) => detail?.['seq'] === seq && detail['id'] === kid && detail['scope'] === 'key',
      )
    })
    lab.kill('policy-evaluator')
    const again = await lab.submit(['audited'])
    const waits = async () => (await lab.agent.status(again.id))?.state === 'needs_approval'
    await until('another decides', waits, 60_000)
    await until('it is in the log', async () =>
      (await evaluators()).some((one) => one.event.intent_digest === again.digest),
    )
    const after = (await evaluators()).filter(({ event }) => event.intent_digest === again.digest)
    expect(after.some((one) => one.kid === kid)).toBe(false)
    for (const args of [[], ['--open']]) {
      const { json } = await local.writ(['audit', 'verify', ...args])
      expect(json).toMatchObject({ ok: true, findings: [] })
    }
  })
})
