import type { Bus, Received, Serving } from '@writ/bus'
import { ANY, subjects } from '@writ/contracts'
import { traced } from '@writ/service-kit'
import type { AnswerRedeem } from '../handlers/redeem.ts'

export interface ServeRedeemsOptions {
  readonly bus: Bus
  readonly region: string
  readonly inFlightMax: number
}

/** Answers `redeem.*`, shared by all replicas: every request, one that there is no room for with a signed no. */
export function serveRedeems(
  { bus, region, inFlightMax }: ServeRedeemsOptions,
  answer: AnswerRedeem,
): Promise<Serving> {
  const at = subjects(region)
  const idOf = ({ subject }: Received): string => at.idsOf('redeem', subject)?.[0] ?? ''
  return bus.serve(
    at.redeem(ANY),
    {
      queue: 'token-issuer',
      inFlightMax,
      onFault: (request, error) => answer.refuse(idOf(request), request.data, error),
    },
    (request) => traced('redeem', { parent: request.trace, kind: 'server' }, () => answer(idOf(request), request.data)),
  )
}
