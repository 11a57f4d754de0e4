// What each entry of the transcript is, for people who write clients in other languages.

/**
 * @typedef {object} Explanation
 * @property {string} title
 * @property {string} from
 * @property {string} to
 * @property {string} [key] where a reader finds the key that signed it
 * @property {string} text
 */

const ENDORSED = 'Pinned in `enrolment.json`: `trust.anchors`, under the role.'
const OPERATOR = 'Pinned in `enrolment.json`: `trust.operators`, under `iss` (or a record of that operator in SIGNERS).'
/** @param {string} role */
const service = (role) =>
  `Endorsed by the anchor of ${role}: the message \`endorsement ${role}\`, found in SIGNERS by \`kid\`.`
const GATEWAY = 'The gateway’s record in SIGNERS: the message `record gateway`.'

/** @param {string} role @returns {Explanation} */
const endorsement = (role) => ({
  title: `Endorsement of ${role}’s signing key`,
  from: `${role}, at boot`,
  to: 'everybody, in SIGNERS',
  key: ENDORSED,
  text:
    `The anchor key of ${role} says: this \`jwk\` signs for the role \`${role}\` from \`iat\` to \`exp\` (24 h at most). Check that \`kid\` is the RFC 7638 ` +
    'thumbprint of `jwk` and the last token of the subject, and that the role is the one whose anchor signed.',
})

/** @param {string} kind @param {string} title @param {string} text @returns {Explanation} */
const record = (kind, title, text) => ({
  title,
  from: 'operator',
  to: kind === 'gateway' ? 'everybody, in SIGNERS' : 'the gateway, inside the plan',
  key: OPERATOR,
  text: `${text} A record is the operator’s signed command itself. Up to three cosigns may follow it, a line each (\`writ-cosign+jwt\`).`,
})

/** @type {Readonly<Record<string, Explanation>>} */
export const EXPLANATIONS = {
  'signers read': {
    title: 'Read SIGNERS',
    from: 'agent',
    to: 'JetStream',
    text:
      'Keys are read by direct get, from sequence 1 until the answer ends. Read on from the last sequence whenever a `kid` is not known yet. The answers come to the reply ' +
      'subject, which must lie under the client’s own inbox prefix `_INBOX_<kind>_<id>`.',
  },
  'endorsement audit-sink': endorsement('audit-sink'),
  'endorsement intent-gateway': endorsement('intent-gateway'),
  'endorsement policy-evaluator': endorsement('policy-evaluator'),
  'endorsement token-issuer': endorsement('token-issuer'),
  'record gateway': record(
    'gateway',
    'The gateway’s record',
    'It holds the keys that may sign outcomes as this gateway.',
  ),
  'signers end': {
    title: 'The end of the answers',
    from: 'JetStream',
    to: 'agent',
    text: 'An empty message with status 204 ends a batch; 404 means that there is nothing from that sequence on. Read until 404, or until nothing is pending.',
  },
  intent: {
    title: 'The intent',
    from: 'agent',
    to: 'intent-gateway, by the stream INTENTS',
    key: 'The agent’s record: here `record agent`, inside the plan. Services read it in REGISTRY.',
    text:
      'Published with a reply subject: the answer is JetStream’s, not the broker’s. Keep the exact bytes; when no answer comes, publish the same bytes again. Its `digest` is ' +
      'its name from here on.',
  },
  'intent stored': {
    title: 'JetStream’s acknowledgement',
    from: 'JetStream',
    to: 'agent',
    text: 'The intent is stored, and nothing more is said. A body with `error` means that it is not: send the same bytes later.',
  },
  'status accepted': {
    title: 'Status: accepted',
    from: 'intent-gateway',
    to: 'agent',
    key: service('intent-gateway'),
    text:
      'Heard live on `status.<agent_id>.>`; the last one of each subject is kept in STATUS and read by direct get (`$JS.API.DIRECT.GET.STATUS.<subject>`, empty body). Believe it only if the ' +
      'signature verifies and `intent_digest` is your intent’s; order by `n`.',
  },
  'audit intent.accepted': {
    title: 'Audit: intent.accepted',
    from: 'intent-gateway',
    to: 'audit-sink',
    key: service('intent-gateway'),
    text: 'Every source numbers and chains its audit messages: `prev` is the digest of the one before. The intent itself travels as a JWE, so that destroying a person’s key erases it.',
  },
  'audit policy.decided': {
    title: 'Audit: policy.decided',
    from: 'policy-evaluator',
    to: 'audit-sink',
    key: service('policy-evaluator'),
    text: 'policy-evaluator records its decision before it answers. Decisions stand in the clear: their words come from the policy, never from the intent.',
  },
  'status approved': {
    title: 'Status: approved',
    from: 'intent-gateway',
    to: 'agent',
    key: service('intent-gateway'),
    text: 'Policy allows it and asked for no approval. Where it asks for one, `needs_approval` comes before, with `approval.needed` and `approval.given`.',
  },
  'audit token.issued': {
    title: 'Audit: token.issued',
    from: 'token-issuer',
    to: 'audit-sink',
    key: service('token-issuer'),
    text: 'token-issuer has evaluated the same policy by itself, with the same result, and minted a token.',
  },
  'audit plan.dispatched': {
    title: 'Audit: plan.dispatched',
    from: 'intent-gateway',
    to: 'audit-sink',
    key: service('intent-gateway'),
    text: 'Durable before the plan leaves: no gateway hears of a plan that is not in the records.',
  },
  'plan pull': {
    title: 'The gateway asks for a plan',
    from: 'gateway',
    to: 'JetStream',
    text: 'A pull request to the gateway’s own durable consumer, which was made at enrolment: bind to it, never create one. `expires` is nanoseconds. The plan is delivered to the reply subject, under its own.',
  },
  plan: {
    title: 'The plan',
    from: 'intent-gateway',
    to: 'gateway, by the stream PLANS',
    key: service('intent-gateway'),
    text:
      'It carries the whole chain as the exact signed messages. Verify every one of them, and that each names its neighbours by digest (docs/clients.md has the order). While you work, publish `+WPI` ' +
      'to the reply subject; acknowledge only when the last outcome is stored.',
  },
  token: {
    title: 'The capability token',
    from: 'token-issuer',
    to: 'gateway, inside the plan',
    key: service('token-issuer'),
    text:
      'For this gateway (`aud`) and this key of it (`cnf.jkt`) alone; one scope a step. `rev` is the control message that token-issuer had applied: the token is dead if CONTROL holds a revoke above it ' +
      'that names the agent, user, device, group, gateway, token or intent.',
  },
  decision: {
    title: 'The decision',
    from: 'policy-evaluator',
    to: 'gateway, inside the plan',
    key: service('policy-evaluator'),
    text: 'Which policy (`policy.bundle_sha256`, compare it with the record `policy/active`), about which intent, resting on which records and reports, with all obligations in full.',
  },
  'record agent': record(
    'agent',
    'The agent’s record',
    'The ceiling: its keys, and which users, actions and groups it may ever name. The intent’s `kid` must be one of these keys.',
  ),
  'record device': record(
    'device',
    'The device’s record',
    'Which gateway reaches it, its group, what it can do. Here without floors; where it has them they hold whatever policy says.',
  ),
  'record policy': record('policy', 'The record policy/active', 'Which bundle decides.'),
  'status executing': {
    title: 'Status: executing',
    from: 'intent-gateway',
    to: 'agent',
    key: service('intent-gateway'),
    text: 'With the gateway’s first word: `plans` names the plans that are out, `steps` shows one step for each target. Where gateways stay silent it is said without, after some two seconds.',
  },
  redeem: {
    title: 'The redeem',
    from: 'gateway',
    to: 'token-issuer',
    key: GATEWAY,
    text:
      'Right before the step, one use of the token is claimed: `use_id` is `<plan_id>/<step_id>/<n>`. Write it to the journal before you send it, send only these bytes, and begin the step at the latest 2 s ' +
      'after you first sent it, on a monotonic clock.',
  },
  'audit token.redeemed': {
    title: 'Audit: token.redeemed',
    from: 'token-issuer',
    to: 'audit-sink',
    key: service('token-issuer'),
    text: 'Durable before the redeem is answered: nothing begins that is not in the records.',
  },
  redeemed: {
    title: 'The answer: redeemed',
    from: 'token-issuer',
    to: 'gateway',
    key: service('token-issuer'),
    text: '`request` is the digest of the redeem. Apply CONTROL up to `rev_head` before you begin. A refusal is a `writ-result+jwt` with `ok: false` and a `code`; silence is answered by sending the same bytes again.',
  },
  'outcome started': {
    title: 'Outcome: started',
    from: 'gateway',
    to: 'intent-gateway, by the stream OUTCOMES',
    key: GATEWAY,
    text: 'Journaled before the device is touched. A gateway that dies now says `unknown` when it is back, and never tries again.',
  },
  'outcome succeeded': {
    title: 'Outcome: succeeded',
    from: 'gateway',
    to: 'intent-gateway, by the stream OUTCOMES',
    key: GATEWAY,
    text: '`result_sha256` is over the RFC 8785 form of `result`, after what the obligations redact. The agent finds the same bytes under `status.<agent_id>.<intent_id>.<step_id>`.',
  },
  'plan ack': {
    title: 'The plan is done',
    from: 'gateway',
    to: 'JetStream',
    text: 'An acknowledgement of the delivery, published to the reply subject that came with it. Without it the plan comes again after 30 s, and is answered with the outcomes in the journal.',
  },
  'audit action.succeeded': {
    title: 'Audit: action.succeeded',
    from: 'gateway',
    to: 'audit-sink',
    key: GATEWAY,
    text: 'A gateway is a source like any other: it chains and signs its own audit messages, and keeps them until a seal covers them. They name no user.',
  },
  'status succeeded': {
    title: 'Status: succeeded',
    from: 'intent-gateway',
    to: 'agent',
    key: service('intent-gateway'),
    text: 'Final. `steps[].outcome_digest` names the outcome that counted; verify that one with the gateway’s key before you believe its result.',
  },
  sealed: {
    title: 'Sealed',
    from: 'audit-sink',
    to: 'all sources',
    key: service('audit-sink'),
    text:
      'Every audit message of `heads`, up to that sequence, is in the log whose signed `checkpoint` (C2SP signed note, key in `trust.log_vkeys`) stands here. When both signatures verify, a source may ' +
      'let go of what it kept.',
  },
}
