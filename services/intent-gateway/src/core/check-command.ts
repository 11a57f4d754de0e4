import { createPublicKey } from 'node:crypto'
import {
  type Authority,
  checkEnvelope,
  checkSubject,
  type FiledValue,
  parseFiledValue,
  type Verified,
  verifyParty,
} from '@writ/authority'
import {
  ALWAYS_TWO_PERSON,
  commandMessage,
  cosignMessage,
  type DeviceRecord,
  Fault,
  type GatewayRecord,
  type PublicJwk,
} from '@writ/contracts'
import { openMessage, thumbprint } from '@writ/keys'

/**
 * An operator's command with its cosigns: form, subject, signers and signatures, then audience and times, in the order of CONTRACT
 * section 6. Throws the Fault of the first check that fails.
 */
export function verifyCommand(
  authority: Authority,
  operatorId: string,
  body: Uint8Array,
  nowSeconds: number,
): FiledValue {
  const filed = parseFiledValue(body)
  const [first = '', ...rest] = filed.value.split('\n')
  const command = openMessage(commandMessage, first)
  checkSubject(command, operatorId)
  const signed = [
    verifyParty(authority, 'operator', command),
    ...rest.map((line) => verifyParty(authority, 'operator', openMessage(cosignMessage, line))),
  ]
  for (const line of signed) checkEnvelope(authority, line as Verified, nowSeconds)
  return filed
}

/**
 * The rows of CONTRACT section 6 that only commands have. `regionOf`: where a device belongs by the operator's directory, whatever its record says. Throws Fault `wrong_role`, `approval_required`, `wrong_version`, `replayed`, `chain_broken`, `wrong_jurisdiction`.
 */
export function checkFiling(
  { trust, region }: Authority,
  filed: FiledValue,
  twoPerson: readonly string[],
  regionOf: (deviceId: string) => string | undefined,
): void {
  const { claims } = filed.command
  const { kind, id, version, record } = claims
  if (kind === 'operator') {
    const signers = [claims.iss, ...filed.cosigns.map((cosign) => cosign.claims.iss)]
    if (!signers.every((signer) => trust.isPinned(signer)))
      throw new Fault('wrong_role', { message: 'Only a root operator files operators.' })
  }
  if (kind === 'policy' && id !== 'active')
    throw new Fault('malformed', { message: 'The policy record is policy/active.' })
  if ([...ALWAYS_TWO_PERSON, ...twoPerson].includes(kind) && filed.cosigns.length === 0)
    throw new Fault('approval_required', { message: 'Records of this kind need a second operator’s signature.' })
  const next = trust.version(kind, id) + 1
  if (version !== next) throw new Fault('wrong_version', { message: `The next version is ${next}.` })
  if (record === null) return
  for (const jwk of 'keys' in record ? record.keys : []) checkNewKey(trust, kind, id, jwk)
  if (kind === 'device') {
    checkDevice(trust, region, record as DeviceRecord)
    if ((regionOf(id) ?? region) !== region) throw elsewhere()
  }
  if (kind === 'gateway' && (record as GatewayRecord).jurisdiction !== region) throw elsewhere()
}

function checkNewKey(trust: Authority['trust'], kind: string, id: string, jwk: PublicJwk): void {
  const kid = thumbprint(jwk)
  const holder = trust.keyHolder(kid)
  const another = holder !== undefined && (holder.kind !== kind || holder.id !== id)
  if (another || trust.endorsementsOf(kid).length > 0)
    throw new Fault('replayed', { message: 'A key of the record is registered already.' })
  checkPoint(jwk)
}

/** What is no point of its curve is no key, though its members have the right form: nothing could ever be verified with it. */
function checkPoint(jwk: PublicJwk): void {
  try {
    createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw new Fault('malformed', { message: 'A key of the record is not a point of its curve.', cause })
  }
}

function checkDevice(trust: Authority['trust'], region: string, { gateway_id, jurisdiction }: DeviceRecord): void {
  if (gateway_id !== undefined && trust.record('gateway', gateway_id) === undefined)
    throw new Fault('chain_broken', { message: 'The gateway of the device is not registered.' })
  if (jurisdiction !== region) throw elsewhere()
}

function elsewhere(): Fault {
  return new Fault('wrong_jurisdiction', { message: 'The record belongs to another jurisdiction.' })
}
