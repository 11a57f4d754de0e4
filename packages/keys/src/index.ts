export { fromBase64url, toBase64url } from './base64url.ts'
export { canonicalJson, jsonSha256, sha256 } from './digest.ts'
export { assertIJson, parseIJson } from './i-json.ts'
export { type Algorithm, algorithmOf, generateJwk, type PrivateJwk, publicJwk, thumbprint } from './jwk.ts'
export {
  digestOf,
  parseJws,
  requestDigest,
  signJws,
  signPayload,
  type UnverifiedJws,
  verifies,
  verifyJws,
  verifyJwsAhead,
} from './jws.ts'
export { readKeyFile, writeKeyFile } from './key-file.ts'
export type { CircuitState } from './kms/circuit-breaker.ts'
export { ecdsaFromDer, ecdsaToDer } from './kms/ecdsa-der.ts'
export type { KmsLimits, KmsObserver, KmsOperation, KmsOptions, KmsResult } from './kms/guard.ts'
export type { KmsKey } from './kms/kms-key.ts'
export type { KmsWrapper } from './kms/kms-wrapper.ts'
export { asMessage, openMessage, openOneOf, signMessage, type Unverified } from './open-message.ts'
export { isKmsReference, openKmsWrapper, openSigner } from './open-signer.ts'
export { readJurisdictionDirectory } from './read-directory.ts'
export { type EnrolmentPackage, readCredentials, readEnrolment } from './read-enrolment.ts'
export { type Residency, readResidency } from './read-residency.ts'
export { ephemeralSigner, type Signer, signerOf } from './signer.ts'
export { checkAudience, checkTimes } from './times.ts'
