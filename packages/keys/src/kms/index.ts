// Everything that loads the AWS SDK. It is imported when the first `kms:` reference is opened, never before.
export { openKmsSigner } from './kms-signer.ts'
export { openKmsWrapperHere } from './kms-wrapper.ts'
