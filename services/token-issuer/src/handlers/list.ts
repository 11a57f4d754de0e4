import type { listRpc } from '@writ/contracts'
import type { z } from 'zod'
import type { TokenIndex } from '../ports.ts'

type Request = z.output<typeof listRpc.request>
type Reply = z.input<typeof listRpc.reply>

/** Tokens, newest first, from Redis; `unavailable` while it does not answer or is being filled again. */
export function list(index: TokenIndex): (request: Request) => Promise<Reply> {
  return async ({ agent_id, limit, after }) => {
    const query = { limit, ...(agent_id !== undefined && { agentId: agent_id }), ...(after !== undefined && { after }) }
    return { ok: true, ...(await index.list(query)) }
  }
}
