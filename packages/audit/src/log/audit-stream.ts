/** A stored message as a stream gives it: unverified bytes under the subject that it was stored with. */
export interface StoredMessage {
  readonly seq: number
  /** `<role>/<instance>/<boot>`, from the subject. */
  readonly source: string
  readonly body: Uint8Array
}

export interface StreamIdentity {
  /** When the stream was created: another value means another stream, whose numbers mean other messages. */
  readonly created: string
  readonly lastSeq: number
}

/** One of the streams that the log takes in, read without a consumer. All throw Fault `unavailable`. */
export interface AuditStream {
  readonly name: string
  identity(): Promise<StreamIdentity>
  /**
   * Messages from a sequence on, in order and without leaving one out that is still stored, up to a count or to about as many bytes.
   * Fewer than there are may come; none means that there are none yet.
   */
  read(
    from: number,
    limits: { readonly countMax: number; readonly bytesMax: number },
  ): Promise<readonly StoredMessage[]>
}
