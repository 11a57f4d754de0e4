import { subjectOf } from '@writ/audit'
import { Fault, SubjectId } from '@writ/contracts'
import { connectStore, readPseudonyms } from '@writ/plane'
import { withAdvice } from '../advice.ts'
import { planeOf } from '../context.ts'
import type { Invocation } from '../invocation.ts'

/** A person as the log has them. */
export interface Person {
  /** Absent where only the subject was named. */
  readonly user?: string
  /** `u-` and the 22 characters of the pseudonym: in records and in the ids of keys. */
  readonly subject: string
  /** `p:` and the same: in events. */
  readonly pseudonym: string
}

/**
 * Whom a command is about: a user, whose pseudonym the plane's wrapping key makes, or the subject itself, which needs no key. Throws Fault `malformed`
 * where neither or both are named, `unavailable` without the plane's folder.
 */
export async function personOf(
  { context }: Pick<Invocation, 'context'>,
  user: string | undefined,
  subject: string | undefined,
): Promise<Person> {
  if ((user === undefined) === (subject === undefined))
    throw withAdvice(
      new Fault('malformed', { message: 'Name one person.' }),
      'Either USER, or --subject u-… as `writ privacy subject USER` prints it.',
    )
  if (subject !== undefined) {
    if (!SubjectId.safeParse(subject).success)
      throw new Fault('malformed', { message: `${subject} is no subject: u- and 22 characters.` })
    return { subject, pseudonym: `p:${subject.slice(2)}` }
  }
  const plane = await planeOf(await context())
  const store = await connectStore(plane)
  try {
    const pseudonym = (await readPseudonyms(plane, store))(user ?? '')
    return { user: user ?? '', subject: subjectOf(pseudonym), pseudonym }
  } finally {
    await store.close()
  }
}
