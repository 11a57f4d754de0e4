// A gateway in a process of its own that is killed with kill -9 at one named step of its own work. node gateway-killed.mjs DIR POINT
import { appendFileSync } from 'node:fs'
import { startGateway } from '@writ/gateway-sdk'

const [dir, point] = process.argv.slice(2)
const built = (/** @type {string} */ file) =>
  import(new URL(`../../packages/gateway-sdk/dist/${file}`, import.meta.url).href)
const { PlanJournal } = await built('journal/plan-journal.js')
const { GatewayAudit } = await built('outcomes/gateway-audit.js')
const { PlanIntake } = await built('plans/plan-intake.js')

const die = () => process.kill(process.pid, 'SIGKILL')
/**
 * Dies before or after a method of the gateway's own, when its first argument is the one that is meant.
 *
 * @param {string} name
 * @param {{ prototype: any }} owner
 * @param {string} method
 * @param {'before' | 'after'} when
 * @param {(...args: any[]) => boolean} meant
 */
function at(name, { prototype }, method, when, meant = () => true) {
  if (name !== point) return
  const real = prototype[method]
  prototype[method] = async function (/** @type {any[]} */ ...args) {
    if (when === 'before' && meant(...args)) die()
    const result = await real.apply(this, args)
    if (when === 'after' && meant(...args)) die()
    return result
  }
}
const isEnd = (/** @type {{ state: string }} */ { state }) => state !== 'started'

at('a plan was delivered and is not taken on', PlanJournal, 'takeOn', 'before')
at('a plan was taken on and its redeem not written', PlanJournal, 'redeem', 'before')
at('a redeem was written and not sent', PlanJournal, 'redeem', 'after')
at('a redeem was answered and the start not written', PlanJournal, 'started', 'before')
at('a start was written and the action not begun', PlanJournal, 'started', 'after')
at('an action ended and its end was not written', PlanJournal, 'ended', 'before', isEnd)
at('an end was written and not recorded', GatewayAudit, 'ended', 'before')
at('an end was recorded and not sent', GatewayAudit, 'ended', 'after')
at('an outcome was stored and that not written', PlanJournal, 'stored', 'before', isEnd)
at('that an outcome was stored was written and the plan not acknowledged', PlanJournal, 'stored', 'after', isEnd)
if (point === 'a plan was acknowledged') {
  const { handle } = PlanIntake.prototype
  PlanIntake.prototype.handle = async function (/** @type {any} */ delivery) {
    return handle.call(this, {
      ...delivery,
      ack: async () => {
        await delivery.ack()
        die()
      },
    })
  }
}

const gateway = await startGateway({
  enrolment: `${dir}/package/enrolment.json`,
  key: `${dir}/package/key.jwk`,
  stateDir: `${dir}/state`,
  actions: {
    restart: ({ stepId }) => {
      appendFileSync(`${dir}/effects`, `${stepId}\n`)
      if (point === 'an action was begun and has not ended') die()
    },
  },
})
await gateway.ready
