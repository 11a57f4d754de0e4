import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import type { Stack } from '@writ/local'
import { until } from './outsider.ts'

/** One login of the stack, and what it must be refused. Subjects are given behind `writ.v1.<r>.`. */
export interface Login {
  readonly folder: string
  /** As in its inbox prefix. */
  readonly name: string
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

const EVERYONES = [
  '$JS.API.STREAM.DELETE.CONTROL',
  '$JS.API.STREAM.PURGE.INTENTS',
  '$JS.API.STREAM.CREATE.X',
  '$JS.API.CONSUMER.CREATE.PLANS',
  '$KV.subject-keys.x',
  '$SYS.REQ.CLAIMS.UPDATE',
]

export function logins({ paths }: Stack): readonly Login[] {
  const party = (kind: string, id: string) => ({ folder: paths.identity(kind, id), name: `${kind}_${id}` })
  const service = (role: string) => ({ folder: paths.service(role, '0'), name: `${role}_0` })
  const words = (text: string) => text.split(' ')
  return [
    {
      ...party('agent', 'lab-agent'),
      publish: words('intent.maintenance plan.gw-lab registry.agent.x status.lab-agent.x control.root command.root'),
      subscribe: words('status.maintenance.> intent.> stored.> plan.>'),
    },
    {
      ...party('gateway', 'gw-lab'),
      publish: words('redeem.gw-raw outcome.gw-raw plan.gw-lab intent.lab-agent control.root audit.token-issuer.0.x'),
      subscribe: words('status.> act.gw-raw.* redeem.>'),
    },
    {
      ...party('approver', 'marta'),
      publish: words('approval.samir intent.lab-agent plan.gw-lab control.root command.root'),
      subscribe: words('pending.samir pending.> status.>'),
    },
    {
      ...service('policy-evaluator'),
      publish: words('plan.gw-lab registry.agent.x status.a.b control.root rpc.token.issue audit.token-issuer.0.x'),
      subscribe: words('redeem.> rpc.token.issue command.>'),
    },
    {
      ...service('token-issuer'),
      publish: words('plan.gw-lab registry.device.x control.root bundle.x outcome.gw-lab'),
      subscribe: words('command.> rpc.policy.decide'),
    },
    {
      ...service('audit-sink'),
      publish: words('plan.gw-lab registry.device.x control.root status.a.b audit.intent-gateway.0.x'),
      subscribe: words('redeem.> command.>'),
    },
  ]
}

/** Resolves when the server has refused it all. */
export async function refusedEverything({ plane }: Stack, login: Login): Promise<void> {
  const creds = await readFile(join(login.folder, 'nats.creds'))
  const inboxPrefix = `_INBOX_${login.name}`
  const nc = await connect({ servers: plane.natsUrl, authenticator: credsAuthenticator(creds), inboxPrefix })
  try {
    const refused = new Set<string>()
    void (async () => {
      for await (const status of nc.status())
        if (status.type === 'error') refused.add((status.error as Error & { subject?: string }).subject ?? '')
    })()
    const ours = (tail: string) => `writ.v1.${plane.region}.${tail}`
    const publish = [...login.publish.map(ours), ...EVERYONES]
    const subscribe = login.subscribe.map(ours)
    for (const subject of publish) nc.publish(subject, 'x')
    for (const subject of subscribe) nc.subscribe(subject, { callback: () => undefined })
    await nc.flush()
    const open = () => [...publish, ...subscribe].filter((subject) => !refused.has(subject))
    await until('all is refused', () => open().length === 0).catch((cause: unknown) => {
      throw new Error(`${login.name} may use ${open().join(', ')}`, { cause })
    })
  } finally {
    await nc.close()
  }
}
