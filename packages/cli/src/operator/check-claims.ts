import { Fault } from '@writ/contracts'

/** The part of a message's schema that says what is wrong with claims. */
interface Schema {
  safeParse(claims: unknown): {
    readonly success: boolean
    readonly error?: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] }
  }
}

const MESSAGE_MAX = 1000

/**
 * Holds what a person asked for to a message's schema before it is signed. Throws Fault `malformed` that names each field.
 *
 * @param what begins the sentence, such as `The record`
 */
export function checkClaims(schema: Schema, claims: unknown, what: string): void {
  const { success, error } = schema.safeParse(claims)
  if (success || error === undefined) return
  const fields = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  throw new Fault('malformed', { message: `${what} is not valid: ${fields}.`.slice(0, MESSAGE_MAX), cause: error })
}
