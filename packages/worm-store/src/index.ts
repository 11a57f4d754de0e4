export { DirectoryStore, type DirectoryStoreOptions } from './directory-store.ts'
export { openStore, storeDirectory } from './open-store.ts'
export { openS3Client, type S3ClientOptions } from './s3/s3-client.ts'
export { type S3Problem, s3Fault, s3Problem } from './s3/s3-fault.ts'
export { parseS3Url, type S3Place, s3Url } from './s3/s3-place.ts'
export { S3Store, type S3StoreOptions } from './s3/s3-store.ts'
// What a store is asked before a log is opened in it.
export * from './self-test/index.ts'
export {
  type ObjectRetention,
  type PutOutcome,
  type RemoveOutcome,
  type ReplaceOutcome,
  requireKey,
  type Version,
  type WormStore,
} from './store.ts'
