/** KMS answered, and what it answered is not what the key gives: damage on the way, or somebody else's answer. It is used for nothing. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
}

/** What became of one attempt. */
export interface KmsFailure {
  /** `passing`: trying again may help. `wrong`: an answer that does not verify. `final`: KMS works and says no. */
  readonly kind: 'passing' | 'wrong' | 'final'
  /** KMS's or the network's word for it. It never holds a value. */
  readonly name: string
  /** The part of a sentence after the key's name. */
  readonly sentence: string
  /** HTTP status and request id where there was an answer: what AWS asks for. */
  readonly detail: string
}

const PASSING = new Set([
  'ThrottlingException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'LimitExceededException',
  'DependencyTimeoutException',
  'KMSInternalException',
  'KeyUnavailableException',
  'CredentialsProviderError',
])
const CREDENTIALS = 'KMS refused this process’s credentials'
const ACCESS = 'this process may not use it in this way'
const SENTENCES: Readonly<Record<string, string>> = {
  DisabledException: 'it is disabled',
  KMSInvalidStateException: 'it is in a state in which it cannot be used, for example to be deleted',
  NotFoundException: 'there is no such key or alias in this region and account',
  InvalidArnException: 'there is no such key or alias in this region and account',
  InvalidKeyUsageException: 'it is for another use',
  IncorrectKeyException: 'what was to be opened was wrapped under another key',
  InvalidCiphertextException: 'what was to be opened is damaged, or was wrapped under another name',
  AccessDeniedException: ACCESS,
  AccessDenied: ACCESS,
  UnrecognizedClientException: CREDENTIALS,
  InvalidSignatureException: CREDENTIALS,
  IncompleteSignatureException: CREDENTIALS,
  ExpiredTokenException: CREDENTIALS,
  InvalidClientTokenId: CREDENTIALS,
  MissingAuthenticationTokenException: CREDENTIALS,
  CredentialsProviderError: 'this process has no credentials for KMS',
  ThrottlingException: 'KMS takes no more requests now',
  WrongAnswer: 'KMS returned something that does not verify against the key',
}

/** Sorts an error of the SDK. Of the error itself only names and numbers are taken: its text may hold who asked, and its parts the request. */
export function failureOf(error: unknown): KmsFailure {
  const name = nameOf(error)
  const { httpStatusCode: status, requestId } = metadataOf(error)
  const detail = [
    ...(typeof status === 'number' ? [`HTTP ${status}`] : []),
    ...(typeof requestId === 'string' && /^[\w-]{1,64}$/.test(requestId) ? [`request ${requestId}`] : []),
  ].join(', ')
  const sentence = SENTENCES[name] ?? (answered(status) ? `KMS refused with ${name}` : 'KMS does not answer')
  if (error instanceof WrongAnswer) return { kind: 'wrong', name, sentence, detail }
  const passing = PASSING.has(name) || !answered(status) || status === 429
  return { kind: passing ? 'passing' : 'final', name, sentence, detail }
}

/** Whether there was an answer that means something: not an error of a server, nor a text that cannot be read. */
function answered(status: unknown): status is number {
  return typeof status === 'number' && status >= 400 && status < 500
}

function nameOf(error: unknown): string {
  const { name, code } = Object(error) as { readonly name?: unknown; readonly code?: unknown }
  const word = name === 'Error' && typeof code === 'string' ? code : name
  return typeof word === 'string' && /^\w{1,64}$/.test(word) ? word : 'Unknown'
}

function metadataOf(error: unknown): { readonly httpStatusCode?: unknown; readonly requestId?: unknown } {
  const { $metadata } = Object(error) as { readonly $metadata?: unknown }
  return Object($metadata) as { readonly httpStatusCode?: unknown; readonly requestId?: unknown }
}
