/** Where a gateway tells its operator what happens. A pino logger fits. Nothing that is logged holds parameters or results. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
