import { randomUUID } from 'node:crypto'
import { ask, openSession } from '@writ/agent-sdk'
import { verifyService } from '@writ/authority'
import {
  type ApprovalRequest,
  answerMessage,
  approvalMessage,
  approvalRequestMessage,
  type Message,
  queryMessage,
  type Result,
  resultMessage,
} from '@writ/contracts'
import { digestOf, openMessage, signMessage } from '@writ/keys'

export interface Approver extends AsyncDisposable {
  /** The request about an intent that this approver is shown, verified. */
  pending(intentDigest: string): Promise<ApprovalRequest>
  /** The approval, signed and not yet sent. */
  sign(intentDigest: string, decisionDigest: string, verdict: 'approve' | 'reject'): Promise<string>
  /** Sends a signed approval; the same bytes may be sent again. */
  send(approval: string): Promise<Result>
  say(intentDigest: string, decisionDigest: string, verdict: 'approve' | 'reject'): Promise<Result>
}

/** An enrolled approver with its own key and connection. */
export async function openApprover(enrolment: string): Promise<Approver> {
  const session = await openSession({ enrolment })
  const { id } = session
  const envelope = (seconds: number) => {
    const iat = Math.floor(Date.now() / 1000)
    return { iss: id, aud: session.authority.audience, iat, exp: iat + seconds, jti: randomUUID() }
  }
  const asked = async <M extends Message>(subject: string, body: string, reply: M) => {
    const from = 'intent-gateway'
    return (await ask(session, { subject, body, from, replies: [reply, resultMessage] })).claims
  }
  const sign: Approver['sign'] = (intent_digest, decision_digest, verdict) =>
    signMessage(session.signer, approvalMessage, { ...envelope(600), intent_digest, decision_digest, verdict })
  const send: Approver['send'] = (approval) =>
    asked(session.subjects.approval(id), approval, resultMessage) as Promise<Result>
  return {
    sign,
    send,
    say: async (intent, decision, verdict) => send(await sign(intent, decision, verdict)),
    pending: async (intentDigest) => {
      const query = { ...envelope(30), what: 'pending' as const, args: {} }
      const body = await signMessage(session.signer, queryMessage, query)
      const answer = await asked(session.subjects.query('approver', id), body, answerMessage)
      if (!('items' in answer)) throw new Error('the broker refuses to say what is pending')
      const requests = (answer as { items: string[] }).items.map((item) => {
        const opened = openMessage(approvalRequestMessage, item)
        return verifyService(session.authority, 'intent-gateway', opened).claims
      })
      const found = requests.find(({ intent }) => digestOf(intent) === intentDigest)
      if (found === undefined) throw new Error('no such request is pending')
      return found
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}
