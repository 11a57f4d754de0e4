export { type OpenedDocument, openDocument, sealDocument } from './sealed-document.ts'
export {
  openPseudonyms,
  quarterOf,
  quartersOfEpoch,
  quartersUntil,
  subjectKeyId,
  subjectOf,
  subjectOfKey,
} from './subject-ids.ts'
export {
  DESTROYED,
  type Erasures,
  isDestroyed,
  RECORDS_KEY_ID,
  type SubjectKey,
  type SubjectKeyStore,
  SubjectKeys,
  unwrapSubjectKeys,
} from './subject-keys.ts'
export { parseSubjectKeys, readSubjectKeysFile, writeSubjectKeysFile } from './subject-keys-file.ts'
export {
  DERIVATION_ID,
  type DerivationStore,
  openWrappingKey,
  type WrappingKey,
  type WrappingKeyOptions,
  wrappingKeyOf,
} from './wrapping-key.ts'
