/** The rules of CONTRACT by which a gateway judges a plan (sections 1, 4, 5 and 6). Each has a row in the table, or the test fails. */
export const PLAN_RULES = [
  // Section 6, for each message of the plan: plan, token, records, intent, decisions, approvals, attestations.
  'bytes over the limit',
  'compact JWS, canonical base64url, I-JSON, header of alg, kid and typ',
  'typ of its place',
  'claims missing, unknown, of wrong type or range',
  'iss is the id or the role',
  'signer registered',
  'kid is a key of the signer, with an endorsement that covers the iat',
  'kid endorsed for the role',
  'signature of the key, with its own algorithm',
  'aud is the region',
  'aud of the token is the gateway',
  'iat and nbf not ahead',
  'exp of the plan not past',
  'exp of the token not past',
  'lifetime within its bound',
  'no revoke came after rev, and rev is of this stream',
  // Records
  'records: operators’ signatures hold them up',
  'records: exactly those in the token, in its order, named by the decision',
  'records: not removed',
  // Intent
  'intent: user of the agent',
  'intent: devices registered, routed, of this jurisdiction',
  'intent: within the ceilings of agent and devices',
  'intent: valid at the first decision',
  // Decisions
  'decision: about this intent',
  'decision: the earlier ones are those that first and shown name',
  'decision: valid at the token’s iat',
  'decision: allows',
  'decision: under the policy/active in records',
  // Approvals
  'approvals: those that the decision names',
  'approval: of a role that may',
  'approval: not by the user it is for',
  'approval: of this intent and the decision that was shown',
  'approval: in its times',
  'approval: its verdict',
  'approvals: as many users as policy and floors want',
  'approvals: of the obligations that were shown',
  // Attestations
  'attestations: those that the decision names',
  'attestation: there where policy or a floor wants one',
  'attestation: of the agent and the key that signed, its profile, affirming',
  'attestation: valid and fresh at the token’s iat',
  // The gateway's own rows
  'plan of this gateway',
  'cnf is the gateway’s key, without an act',
  'neighbours fit: digests, sub, user, plan_id',
  'neighbours fit: the token is what the decision allows',
  'neighbours fit: the plan does not outlive its token',
  'steps are the intent’s targets here',
  'scope is the steps’',
] as const

export type PlanRule = (typeof PLAN_RULES)[number]

/** What a gateway believes of an answer to a redeem (CONTRACT "Redeem", section 5), and when it may begin. */
export const REDEEM_RULES = [
  'signed by token-issuer, whose endorsement is in force now',
  'form, typ and claims',
  'aud is the region',
  'iat not ahead and at most 30 s old',
  'request is this redeem',
  'use and of are this use’s',
  'rev_head is applied here first',
  'a no stops the step',
] as const

export type RedeemRule = (typeof REDEEM_RULES)[number]

/** What counts as a word in CONTROL and SIGNERS (CONTRACT "Control", "Command", "Key endorsement"). */
export const WORD_RULES = [
  'control: signed by an operator who is pinned or recorded',
  'control: iss is the subject’s id',
  'control: prev is the last of the chain',
  'control: no TTL',
  'control: one genesis',
  'control: aud is the region',
  'control: a lift revives no older token',
  'control: what a standing revoke names is refused',
  'endorsement: by the role’s own anchor',
  'endorsement: at most 24 h',
  'endorsement: of the kid of its subject, for this region',
  'operator: filed by a pinned one',
  'record: two operators where the enrolment says so',
] as const

export type WordRule = (typeof WORD_RULES)[number]
