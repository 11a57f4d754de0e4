/** A log's name without its epoch. */
export interface LogName {
  /** A host name of the operator, for example `audit.acme.example`. */
  readonly domain: string
  readonly region: string
}

/** The calendar half-year of an instant, in UTC: `2026h2`. Text order is time order. */
export function epochOf(instant: { getUTCFullYear(): number; getUTCMonth(): number }): string {
  return `${String(instant.getUTCFullYear()).padStart(4, '0')}h${instant.getUTCMonth() < 6 ? 1 : 2}`
}

export const EPOCH: RegExp = /^\d{4}h[12]$/

/** `<domain>/<r>/<epoch>`: the origin of an epoch's log, its key's name, and its prefix in the store. */
export function originOf({ domain, region }: LogName, epoch: string): string {
  return `${domain}/${region}/${epoch}`
}

/** Takes an origin apart; undefined where it is none of ours. */
export function parseOrigin(origin: string): (LogName & { readonly epoch: string }) | undefined {
  const [domain, region, epoch, ...more] = origin.split('/')
  if (!domain || !region || epoch === undefined || !EPOCH.test(epoch) || more.length > 0) return undefined
  return { domain, region, epoch }
}
