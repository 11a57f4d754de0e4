// Where things lie in the store, relative to a log's origin. Under the origin itself is only what C2SP tlog-tiles names, so that other tools see
// nothing else; everything of ours is under `<origin>.meta/`.

const padded = (n: number, digits: number): string => String(n).padStart(digits, '0')

export const checkpointKey = (origin: string): string => `${origin}/checkpoint`
export const tileKey = (origin: string, path: string): string => `${origin}/${path}`
export const sealKey = (origin: string, n: number): string => `${origin}.meta/seals/${padded(n, 12)}`
export const checkpointCopyKey = (origin: string, size: number): string =>
  `${origin}.meta/checkpoints/${padded(size, 20)}`
/** @param sha256 base64url, as in the seal */
export const stagingKey = (origin: string, sha256: string): string => `${origin}.meta/staging/${sha256}`
/** @param sha256 base64url, as in the message that names it */
export const blobKey = (origin: string, sha256: string): string =>
  `${origin}.meta/blobs/sha256/${Buffer.from(sha256, 'base64url').toString('hex')}`
export const vkeyKey = (origin: string): string => `${origin}.meta/log.vkey`
export const closedKey = (origin: string): string => `${origin}.meta/closed`
