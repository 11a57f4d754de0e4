import type { NoteSigner } from '@writ/audit'
import type { ServiceContext } from '@writ/service-kit'
import type { WormStore } from '@writ/worm-store'
import { Counter } from 'prom-client'
import type { Config } from '../config.ts'
import { readWitnessPolicy } from './read-witness-policy.ts'
import { type Asked, WitnessClient } from './witness-client.ts'
import { witnessed } from './witnessed-signer.ts'

export interface Witnessing {
  readonly signer: NoteSigner
  /** The policy file's text, to lie beside the log; undefined where none is configured. */
  readonly policy: string | undefined
}

/** A seal waits this long for witnesses and no longer. */
const ANSWER_WITHIN_MS = 1000

/** The signer with the witnesses of `WRIT_WITNESS_POLICY`, or as it is. Faults of `readWitnessPolicy`. */
export async function openWitnesses(
  { metrics, log }: Pick<ServiceContext, 'metrics' | 'log'>,
  { witnessPolicy }: Pick<Config, 'witnessPolicy'>,
  signer: NoteSigner,
  store: WormStore,
): Promise<Witnessing> {
  if (witnessPolicy === undefined) return { signer, policy: undefined }
  const { text, witnesses } = await readWitnessPolicy(witnessPolicy)
  const answers = new Counter({
    name: 'writ_witness_answers_total',
    help: 'Answers of witnesses to checkpoints; forked: it has cosigned another history.',
    labelNames: ['witness', 'outcome'],
    registers: [metrics],
  })
  const asked = (witness: string, answer: Asked): void => {
    answers.inc({ witness, outcome: answer.outcome })
    if (answer.outcome === 'forked') log.fatal({ witness }, answer.message)
    if (answer.outcome === 'failed' || answer.outcome === 'ahead') log.warn({ witness }, answer.message)
  }
  const clients = witnesses.map((witness) => {
    return new WitnessClient({ witness, timeoutMs: ANSWER_WITHIN_MS, monotonicMs: () => performance.now() })
  })
  return { signer: witnessed(signer, clients, { store, asked }), policy: text }
}
