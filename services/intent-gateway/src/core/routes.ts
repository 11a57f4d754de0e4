import type { RoutedDevice } from '@writ/authority'
import type { Intent } from '@writ/contracts'
import type { RoutedStep } from './transitions.ts'

/** One step for each target, in the intent's order; `step_id` is `s<index in targets>` (CONTRACT "Plan"). */
export function stepsOf({ targets }: Pick<Intent, 'targets'>, devices: readonly RoutedDevice[]): readonly RoutedStep[] {
  return targets.flatMap((device_id, index) => {
    const record = devices.find(({ id }) => id === device_id)?.record
    return record === undefined
      ? []
      : [{ step_id: `s${index}`, device_id, gateway_id: record.gateway_id, group: record.group }]
  })
}

/** The gateways of steps, in the order in which the targets name them first. */
export function gatewaysOf(steps: readonly { readonly gateway_id: string }[]): readonly string[] {
  return [...new Set(steps.map(({ gateway_id }) => gateway_id))]
}
