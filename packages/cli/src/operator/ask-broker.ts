import { randomUUID } from 'node:crypto'
import { ask, type Session } from '@writ/agent-sdk'
import { answerMessage, Fault, type Query, queryMessage, resultMessage } from '@writ/contracts'
import { signMessage } from '@writ/keys'

const QUERY_SECONDS = 30
/** The most that one answer holds. */
export const PAGE_MAX = 1000

type What = Query['what']
type Args = Query['args']

/** One page of an answer: exact signed messages, which the caller verifies. Throws the Fault of the refusal. */
export async function askBroker(
  session: Session,
  what: What,
  args: Args,
): Promise<{ readonly items: readonly string[]; readonly next?: string }> {
  const { kind, id, authority, subjects, signer } = session
  if (kind !== 'agent' && kind !== 'approver' && kind !== 'operator')
    throw new Fault('wrong_role', { message: `A ${kind} asks nothing of the broker.` })
  const iat = Math.floor(Date.now() / 1000)
  const envelope = { iss: id, aud: authority.audience, iat, exp: iat + QUERY_SECONDS, jti: randomUUID() }
  const { claims: answer } = await ask(session, {
    subject: subjects.query(kind, id),
    body: await signMessage(signer, queryMessage, { ...envelope, what, args }),
    from: 'intent-gateway',
    replies: [answerMessage, resultMessage],
  })
  if (!('items' in answer))
    throw new Fault(answer.code ?? 'internal', { message: answer.message ?? 'The question was refused.' })
  return { items: answer.items, ...(answer.next !== undefined && { next: answer.next }) }
}

/** Every item, a page at a time, up to `itemsMax`. */
export async function* everyItem(
  session: Session,
  what: What,
  args: Omit<Args, 'limit' | 'after'>,
  itemsMax: number,
): AsyncGenerator<string, void> {
  let left = itemsMax
  for (let after: string | undefined; left > 0; ) {
    const page = await askBroker(session, what, {
      ...args,
      limit: Math.min(left, PAGE_MAX),
      ...(after !== undefined && { after }),
    })
    yield* page.items
    left -= page.items.length
    if (page.next === undefined) return
    after = page.next
  }
}
