import type { Rule } from './rule.ts'

/** The verifier finds nothing in the evidence, and nothing that it still waits for. */
export const logVerifies: Rule = ({ verified: { ok, waiting, findings } }) => [
  ...(ok
    ? []
    : [{ rule: 'log-verifies' as const, about: 'the log', message: `it does not verify: ${findings.join('; ')}` }]),
  ...(waiting === 0
    ? []
    : [{ rule: 'log-verifies' as const, about: 'the log', message: `${waiting} of it wait for their evidence` }]),
]
