// The table of messages in docs/clients.md, from the definitions in packages/contracts.
import { MESSAGES, SERVICE_ROLES } from '@writ/contracts'

/** Where a reader finds the key of a signer. @type {Readonly<Record<string, string>>} */
const KEY = {
  agent: '`keys` of its record: REGISTRY, for gateways inside the plan',
  approver: '`keys` of its record: REGISTRY, for gateways inside the plan',
  gateway: '`keys` of its record: SIGNERS',
  operator: 'pinned (`trust.operators`), else `keys` in any version of the record: SIGNERS',
  anchor: 'pinned: `trust.anchors`',
}

/** @param {string} signer */
const keyOf = (signer) =>
  /** @type {readonly string[]} */ (SERVICE_ROLES).includes(signer) ? 'its endorsed key' : (KEY[signer] ?? '')

/** One row a `typ`: who signs it, with which key, how large and how long-lived it may be. */
export function messageTable() {
  const rows = MESSAGES.map(({ typ, signers, bytesMax, lifetimeSecondsMax }) => {
    const keys = [...new Set(signers.map(keyOf))].map((key) => {
      const whose = signers.filter((signer) => keyOf(signer) === key)
      return whose.length === signers.length ? key : `${whose.length > 2 ? 'services' : whose.join(', ')}: ${key}`
    })
    const who = signers.length > 4 ? 'gateways and every service, each its own' : signers.join(', ')
    const lifetime = lifetimeSecondsMax === undefined ? '' : `${lifetimeSecondsMax} s`
    return `| [\`${typ}\`](../packages/contracts/schemas/${typ}.json) | ${who} | ${keys.join('; ')} | ${bytesMax} | ${lifetime} |`
  })
  return ['| typ | signer | its key | bytes at most | `exp − iat` at most |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  )
}
