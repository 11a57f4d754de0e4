export { BlobRef, blobRefsOf } from './blob-ref.ts'
export { type KeyPlace, misplacedKey, ResidencyDemand, ResidencyTable, SIGNING_KEY_SPECS } from './residency.ts'
export { STORE_CHECKS, type StoreCheck, StoreStatement, storeStatementOf } from './store-checks.ts'
