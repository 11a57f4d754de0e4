import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'

/** What the slowest line that a log is written over carries: 256 KiB a second. A batch of 32 MiB is given two minutes more than an empty request. */
const BYTES_PER_MS = (256 * 2 ** 10) / 1000

type Handler = S3Client['config']['requestHandler']
interface Answer {
  readonly response: { readonly body?: unknown; readonly headers: Readonly<Record<string, string>> }
}

/**
 * Makes every try of a request end by the clock. The SDK's own limit ends with the answer's headers and knows no size: an answer that stalls in its body
 * would be waited for without end, and a large object on a slow line would never arrive. Here a try has `limitMs` and the time for its bytes until its
 * headers come, and its body has as much again; then it is destroyed with a `TimeoutError`, whoever reads it.
 */
export function limitTime(handler: Handler, limitMs: number): void {
  const handle = handler.handle.bind(handler)
  handler.handle = async (request, options) => {
    const requestTimeout = limitFor(limitMs, request.headers)
    const answer = await handle(request, { ...options, requestTimeout })
    const { body, headers } = (answer as Answer).response
    if (body instanceof Readable) endBy(body, limitFor(limitMs, headers))
    return answer
  }
}

/** Without a length, as lists come, the bytes are too few to matter. */
function limitFor(limitMs: number, headers: Readonly<Record<string, string>>): number {
  const bytes = Number(headers['content-length'] ?? 0)
  return Math.ceil(limitMs + (Number.isSafeInteger(bytes) ? bytes / BYTES_PER_MS : 0))
}

function endBy(body: Readable, limitMs: number): void {
  const timer = setTimeout(() => {
    body.destroy(Object.assign(new Error(`the answer has not ended after ${limitMs} ms`), { name: 'TimeoutError' }))
  }, limitMs)
  body.once('close', () => clearTimeout(timer))
}
