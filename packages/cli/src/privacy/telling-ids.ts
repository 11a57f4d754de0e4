/** A sentence for each user's id of a record that looks like an address: records are kept for good, in every version, and so is what they say in the clear. */
export function tellingIds(record: object): readonly string[] {
  const { users, user } = record as { readonly users?: readonly string[]; readonly user?: string }
  return [...(users ?? []), ...(user === undefined ? [] : [user])].flatMap(tellingId)
}

export function tellingId(user: string): readonly string[] {
  if (!user.includes('@')) return []
  return [`${user} looks like an address. Ids of users in records and revokes are never forgotten: choose opaque ones.`]
}
