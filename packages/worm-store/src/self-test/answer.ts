import { s3Fault, s3Problem } from '../s3/s3-fault.ts'

/** What the server said to one request. */
export interface Answer {
  /** HTTP status; for one key of a bulk request the status that its error stands for. */
  readonly status: number
  /** `allowed`, or the server's name for the refusal. */
  readonly code: string
  /** The refusal says that a policy made it. */
  readonly byPolicy: boolean
}

/** With what the server gave, where it did. */
export type Answered<T> = Answer & { readonly output?: T }

/** These say something about us and the moment, not about the store: nothing may be concluded from them. */
const NO_ANSWER = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'XAdminUserNotFound',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
  'RequestExpired',
  'RequestTimeout',
  'SlowDown',
  'OperationAborted',
  'ConditionalRequestConflict',
])
const POLICY = /not authorized to perform|explicit deny|no (?:identity|resource|session)-based policy/i

/** Sends a request. A refusal is an answer; throws Fault `unavailable` where the server could not, or would not because of who asks and when. */
export async function ask<T>(
  operation: string,
  object: string,
  send: () => Promise<T>,
): Promise<Answer & { output?: T }> {
  try {
    return { status: 200, code: 'allowed', byPolicy: false, output: await send() }
  } catch (error) {
    const { name, status } = s3Problem(error)
    const decided = status !== undefined && (status < 500 || status === 501) && status !== 429 && !NO_ANSWER.has(name)
    if (!decided) throw s3Fault(operation, object, error)
    return { status, code: name, byPolicy: status === 403 && isPolicy((error as { message?: unknown }).message) }
  }
}

export function isPolicy(message: unknown): boolean {
  return typeof message === 'string' && POLICY.test(message)
}

export const said = ({ status, code }: Answer): string => (code === 'allowed' ? 'allowed' : `${status} ${code}`)
