/** What a connection tells about itself, for logs and readiness. Nothing of it is thrown. */
export type BusStatus =
  | { readonly type: 'connected' | 'disconnected' | 'reconnected' | 'closed' }
  /** The server refused a subject. A refused subscription is gone until the process starts again. */
  | { readonly type: 'refused'; readonly operation: 'publish' | 'subscription'; readonly subject: string }
  /** A request whose reply subject is not one that this side answers to; it was not looked at. */
  | { readonly type: 'unanswerable'; readonly subject: string }
  /** What went wrong where nobody waits for it: at the server, in a handler, in a background read. */
  | { readonly type: 'error'; readonly error: unknown; readonly subject?: string }

export type OnStatus = (status: BusStatus) => void

/** A listener that throws would stop the reader of the connection. */
export function guarded<T>(listener: (value: T) => void, onError: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      listener(value)
    } catch (error) {
      onError(error)
    }
  }
}
