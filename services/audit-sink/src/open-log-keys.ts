import { NOTE_COSIGNATURE, type NoteSigner, noteSignerOf, originOf, parseVkey, verifiersFor } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { openSigner, type Signer } from '@writ/keys'
import type { ServiceContext } from '@writ/service-kit'
import type { Config } from './config.ts'

/**
 * The key that signs checkpoints, and the one that signs their times where there is one. Throws Fault `malformed` unless they are the pinned ones: what
 * other keys sign, no source would believe.
 */
export async function openLogKeys(
  { enrolment, region, openKey }: Pick<ServiceContext, 'enrolment' | 'region' | 'openKey'>,
  { logKey, cosignKey, logDomain }: Pick<Config, 'logKey' | 'cosignKey' | 'logDomain'>,
): Promise<NoteSigner> {
  const open = (what: string, reference: string): Promise<Signer> =>
    openKey(what, reference, (kms) => openSigner(reference, kms))
  const log = await open('the log key', logKey)
  const cosigner = cosignKey === undefined ? undefined : await open('the cosigning key', cosignKey)
  const nowSeconds = (): number => Math.floor(Date.now() / 1000)
  const signer = noteSignerOf(log, cosigner && { signer: cosigner, nowSeconds })

  const origin = originOf({ domain: logDomain, region }, '9999h2')
  const pinned = verifiersFor(origin, enrolment.trust.log_vkeys.map(parseVkey))
  const refused = (what: string): Fault => new Fault('malformed', { message: `${what} for ${logDomain}/${region}.` })
  for (const { type, keyId } of signer.verifiers(origin))
    if (!pinned.some((pin) => pin.type === type && pin.keyId === keyId))
      throw refused(`The ${type === NOTE_COSIGNATURE ? 'cosigning' : 'log'} key is not one that is pinned`)
  if (cosigner === undefined && pinned.some(({ type }) => type === NOTE_COSIGNATURE))
    throw refused('WRIT_COSIGN_KEY is missing: a cosigning key is pinned')
  return signer
}
