import { readdirSync, readFileSync } from 'node:fs'
import type { JsonObject } from '@writ/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBundle } from './bundle/open-bundle.ts'
import type { PolicyDecision } from './core/decision.ts'
import type { PolicyInput } from './core/input.ts'
import { Evaluator } from './evaluator.ts'

const policies = new URL('../../../policies/', import.meta.url)
const bundle = openBundle(readFileSync(new URL('bundle/bundle.tar.gz', policies)))
const evaluator = Evaluator.load(bundle)

interface Golden {
  readonly input: PolicyInput
  readonly expect: PolicyDecision
}
const golden = (name: string) => JSON.parse(readFileSync(new URL(`golden/${name}`, policies), 'utf8')) as Golden
const names = readdirSync(new URL('golden/', policies))
const restart = golden('restart-allowed.json').input
const device = restart.targets[0] as PolicyInput['targets'][number]
const ACTIONS = ['telemetry-read', 'data-collect', 'restart', 'config-change', 'firmware-update']
const STRICTNESS = ['allow', 'needs_attestation', 'needs_approval', 'deny']

describe('the supplied policies in the committed bundle', () => {
  it.each(names)('decide as recorded: %s', (name) => {
    const { input, expect: expected } = golden(name)
    expect(evaluator.evaluate(input)).toEqual(expected)
  })

  it('have all four outcomes', () => {
    expect(new Set(names.map((name) => golden(name).expect.outcome))).toEqual(new Set(STRICTNESS))
  })

  it('deny every action that they do not name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (action) => {
        fc.pre(!ACTIONS.includes(action))
        const asked: PolicyInput = {
          ...restart,
          intent: { ...restart.intent, action },
          agent: { ...restart.agent, actions: [action] },
          targets: [{ ...device, actions: [action] }],
        }
        expect(evaluator.evaluate(asked).outcome).toBe('deny')
      }),
    )
  })

  it('deny whatever is not an input, and never fail on it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (anything) => {
        expect(evaluator.evaluate(anything as unknown as PolicyInput).outcome).toBe('deny')
      }),
    )
  })

  it('decide on any parameters and any device state, and take only text of their own into reasons', () => {
    const known = new Set(bundle.reasons.map(({ message }) => message))
    const json = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...ACTIONS), json, json, fc.string(), (action, params, state, address) => {
        const report = { state: state as JsonObject, address, observed_at: restart.now }
        const { reasons } = evaluator.evaluate({
          ...restart,
          intent: { ...restart.intent, action, params: params as JsonObject },
          targets: [{ ...device, report }],
        })
        for (const { message } of reasons) expect(known).toContain(message)
      }),
    )
  })

  it('are never more lenient with several targets than with the strictest of them alone', () => {
    const target = fc.record({
      group: fc.constantFrom('press-line', 'press-line', 'press-line', 'boiler-house'),
      floor: fc.constantFrom<NonNullable<PolicyInput['targets'][number]['floor']>>(
        {},
        { approvals: { count: 1, roles: ['shift-lead'] } },
        { approvals: { count: 2, roles: ['shift-lead', 'plant-manager'] } },
        { attestation: { profile: 'agent-host', max_age_s: 60 } },
        { attestation: { profile: 'other', max_age_s: 60 } },
      ),
      mode: fc.constantFrom('running', 'idle', 'idle', 'updating'),
    })
    fc.assert(
      fc.property(fc.array(target, { minLength: 1, maxLength: 4 }), (drawn) => {
        const targets = drawn.map(({ group, floor, mode }, index) => {
          const report = { state: { mode }, address: '10.20.0.7', observed_at: restart.now }
          return { ...device, id: `d-${index}`, group, floor, report }
        })
        const strictness = (chosen: typeof targets) =>
          STRICTNESS.indexOf(evaluator.evaluate({ ...restart, targets: chosen }).outcome)
        expect(strictness(targets)).toBeGreaterThanOrEqual(Math.max(...targets.map((one) => strictness([one]))))
      }),
    )
  })
})

describe('an evaluator', () => {
  const trap = { ...restart, intent: { ...restart.intent, params: { n: 1n } } } as unknown as PolicyInput

  it('answers "could not decide" when the evaluation fails, and decides the next one', () => {
    expect(() => evaluator.evaluate(trap)).toThrow(expect.objectContaining({ code: 'unavailable' }))
    expect(evaluator.evaluate(restart).outcome).toBe('allow')
  })

  it('gives the same answer again, whatever it decided in between', () => {
    const first = evaluator.evaluate(restart)
    for (const name of names) evaluator.evaluate(golden(name).input)
    expect(evaluator.evaluate(restart)).toEqual(first)
  })

  it('is not made from what is no Wasm', () => {
    const broken = { ...bundle, wasm: new TextEncoder().encode('no wasm') }
    expect(() => Evaluator.load(broken)).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('decides about the largest intent: 100 targets with 30 KiB of state each', () => {
    const state = { mode: 'idle', guard: 'closed', notes: 'x'.repeat(30 * 1024) }
    const report = { state, address: '10.20.0.7', observed_at: restart.now }
    const targets = Array.from({ length: 100 }, (_, index) => ({ ...device, id: `d-${index}`, report }))
    expect(evaluator.evaluate({ ...restart, targets }).outcome).toBe('allow')
  })
})
