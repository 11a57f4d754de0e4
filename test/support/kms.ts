import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { CreateAliasCommand, CreateKeyCommand, type KeySpec, KMSClient } from '@aws-sdk/client-kms'
import { startMoto } from './moto.ts'
import type { ServerProcess } from './server-process.ts'

export type KmsOperation = 'DescribeKey' | 'GetPublicKey' | 'Sign' | 'Encrypt' | 'Decrypt'
type Body = Record<string, unknown>

/**
 * What becomes of a request. `hangs`: nothing is passed on, nothing answered. `fails`, `throttles`: as KMS says it. `garbage`: the answer is a page of some
 * proxy on the way. A function: KMS's answer, changed.
 */
export type KmsFault = 'hangs' | 'fails' | 'throttles' | 'garbage' | ((answer: Body) => Body)

/**
 * A KMS that speaks the AWS API on a loopback port, and a line before it that a test can spoil. Nothing of our own code is replaced: clients find it by
 * `env`, as they would any endpoint.
 */
export interface TestKms extends AsyncDisposable {
  /** For processes, and `vi.stubEnv`. */
  readonly env: Readonly<Record<string, string>>
  /** Past the line, for what an administrator does. */
  readonly admin: KMSClient
  readonly server: ServerProcess
  /** Makes a key, and an alias for it. Returns its ARN. */
  createKey(spec: KeySpec, alias?: string): Promise<string>
  /** Spoils the next requests for an operation; absent `times`: all until `mend`. */
  spoil(operation: KmsOperation, fault: KmsFault, times?: number): void
  mend(): void
  /** Requests for an operation that came so far, spoilt ones too. */
  asked(operation: KmsOperation): number
}

export const KMS_REGION = 'eusc-de-east-1'
const CREDENTIALS = { accessKeyId: 'AKIDTEST', secretAccessKey: 'a-secret-of-the-tests' }

export async function startKms(region = KMS_REGION): Promise<TestKms> {
  const server = await startMoto({ program: fileURLToPath(new URL('kms_server.py', import.meta.url)) })
  const line = new Line(server.endpoint)
  const url = await line.open()
  const admin = new KMSClient({ region, endpoint: server.endpoint, credentials: CREDENTIALS })
  return {
    env: {
      AWS_ENDPOINT_URL_KMS: url,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    admin,
    server,
    createKey: async (spec, alias) => {
      const usage = spec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY'
      const { KeyMetadata } = await admin.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: usage }))
      const arn = KeyMetadata?.Arn ?? ''
      if (alias !== undefined) await admin.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: arn }))
      return arn
    },
    spoil: (operation, fault, times) => line.spoil(operation, fault, times),
    mend: () => line.mend(),
    asked: (operation) => line.asked.get(operation) ?? 0,
    [Symbol.asyncDispose]: async () => {
      admin.destroy()
      await line.close()
      await server.kill()
    },
  }
}

class Line {
  readonly asked = new Map<string, number>()
  readonly #upstream: string
  readonly #faults = new Map<string, { readonly fault: KmsFault; left: number }>()
  readonly #server = createServer((incoming, outgoing) => {
    this.#pass(incoming, outgoing).catch(() => outgoing.destroy())
  })

  constructor(upstream: string) {
    this.#upstream = upstream
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
    return `http://127.0.0.1:${address.port}`
  }

  spoil(operation: string, fault: KmsFault, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(operation, { fault, left: times })
  }

  mend(): void {
    this.#faults.clear()
    this.#server.closeAllConnections()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #faultOf(operation: string): KmsFault | undefined {
    const found = this.#faults.get(operation)
    if (found === undefined || found.left <= 0) return undefined
    found.left -= 1
    return found.fault
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const target = String(incoming.headers['x-amz-target'])
    const operation = target.split('.').at(-1) ?? ''
    this.asked.set(operation, (this.asked.get(operation) ?? 0) + 1)
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const fault = this.#faultOf(operation)
    if (fault === 'hangs') return
    if (fault === 'garbage') return void outgoing.writeHead(200).end('<html>Please log in.</html>')
    if (fault === 'fails') return refuse(outgoing, 500, 'KMSInternalException')
    if (fault === 'throttles') return refuse(outgoing, 400, 'ThrottlingException')
    const { authorization = '', 'content-type': type = '', 'x-amz-date': date = '' } = incoming.headers
    const answer = await fetch(this.#upstream, {
      method: 'POST',
      headers: { authorization, 'content-type': type, 'x-amz-date': String(date), 'x-amz-target': target },
      body: Buffer.concat(chunks),
    })
    const text = await answer.text()
    const said = fault === undefined || !answer.ok ? text : JSON.stringify(fault(JSON.parse(text) as Body))
    outgoing.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' }).end(said)
  }
}

function refuse(outgoing: ServerResponse, status: number, type: string): void {
  outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
  outgoing.end(JSON.stringify({ __type: type, message: 'injected' }))
}
