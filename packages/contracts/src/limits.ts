/** Sizes, counts and times that CONTRACT.md names, with their unit in the name. */

/** What travels as a document: intent, cancel, approval, command, outcome, report. */
export const DOCUMENT_BYTES_MAX = 32 * 1024
/** What else agents, gateways, approvers and operators sign. */
export const REQUEST_BYTES_MAX = 48 * 1024
/** A plan, and an attestation request with its evidence. */
export const PLAN_BYTES_MAX = 256 * 1024
export const AUDIT_BYTES_MAX = 64_000
export const BUNDLE_BYTES_MAX = 900 * 1024
/** What services sign and nobody else limits: the server's own 1 MiB is above it. */
export const SERVICE_BYTES_MAX = 1024 * 1024
/** `params` and `result` in RFC 8785 form. */
export const JSON_VALUE_BYTES_MAX = 8 * 1024
export const JSON_DEPTH_MAX = 32
export const EVENTS_MAX = 64
export const TARGETS_MAX = 100

/** How far `iat` may lie ahead of the reader's clock. */
export const CLOCK_AHEAD_SECONDS_MAX = 5
/** How old `iat` of a live answer may be (redeemed, result, answer, challenge, sealed). */
export const ANSWER_AGE_SECONDS_MAX = 30
export const TOKEN_SECONDS_MAX = 3600
export const ENDORSEMENT_SECONDS_MAX = 24 * 3600
export const APPROVAL_SECONDS_MAX = 24 * 3600
/** The gateway may begin a step only this long after it first sent the redeem, on its monotonic clock. */
export const BEGIN_WITHIN_MS = 2000
/** token-issuer acts only this long after the start of its last acknowledged tick, on its monotonic clock. */
export const TICK_FRESH_MS = 3000
/** How long the bucket `uses` remembers that a token was minted. Nothing is minted about an intent that was first decided longer ago. */
export const USES_KEPT_SECONDS = 24 * 3600
/** How long after a wait an intent may still be decided: what was asked for long ago is not done as a surprise. */
export const DECIDE_AFTER_WAIT_SECONDS = 300
/** A report older than this, at the decision's `iat`, means that the device's state is unknown. */
export const REPORT_AGE_SECONDS_MAX = 150
/** Who lacks a signer's key asks again for this long before `unknown_key`. */
export const KEY_WAIT_MS = 5000
