import { Fault } from '@writ/contracts'

/** What is said of a failed request. Nothing else of it is kept: S3's answers to a bad signature quote the access key and the signed text. */
export interface S3Problem {
  /** S3's error name, or the network's. */
  readonly name: string
  /** HTTP status; undefined where no answer came. */
  readonly status?: number
  readonly requestId?: string
}

export function s3Problem(error: unknown): S3Problem {
  const { name, code, $metadata } = Object(error) as {
    readonly name?: unknown
    readonly code?: unknown
    readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  }
  const named = [code, name].find((text): text is string => typeof text === 'string' && text !== 'Error')
  return {
    name: (named ?? 'unknown').slice(0, 80),
    ...($metadata?.httpStatusCode !== undefined && { status: $metadata.httpStatusCode }),
    ...($metadata?.requestId !== undefined && { requestId: $metadata.requestId }),
  }
}

/** One sentence: which operation on which object, and S3's name for the failure. */
export function s3Fault(operation: string, object: string, error: unknown): Fault {
  const { name, status, requestId } = s3Problem(error)
  const answer = status === undefined ? `no answer, ${name}` : `${name}, ${status}`
  const cause = new Error(`${operation}: ${answer}${requestId === undefined ? '' : `, request ${requestId}`}`)
  return new Fault('unavailable', { message: `${operation} of ${object} failed: ${answer}.`, cause })
}
