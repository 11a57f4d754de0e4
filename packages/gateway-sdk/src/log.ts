/** Where a gateway tells its operator what happens. A pino logger fits. Nothing that is logged holds parameters or results. */
export interface Log {
  /** The ordinary course, such as a connection that came back. `fields`: what it is about; `err`: the error, where there is one. */
  info(fields: object, message: string): void
  /** Something that the gateway goes on from: a plan that it refuses, an action that did not succeed, an outcome that it will send again. */
  warn(fields: object, message: string): void
  /** Something that a person has to look at: nothing begins, or something cannot be kept. */
  error(fields: object, message: string): void
}

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
