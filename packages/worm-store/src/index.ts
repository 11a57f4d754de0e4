export { DirectoryStore, type DirectoryStoreOptions } from './directory-store.ts'
export { openStore } from './open-store.ts'
export {
  type PutOutcome,
  type RemoveOutcome,
  type ReplaceOutcome,
  requireKey,
  type Version,
  type WormStore,
} from './store.ts'
