import type { WormStore } from '@writ/worm-store'
import type { AuditStream } from '../log/audit-stream.ts'
import type { NoteSigner } from '../log/note-signer.ts'

/** The steps of a seal in their order, as its ports see them. `acknowledge` is the caller's. */
export const SEAL_STEPS = [
  'read',
  'stage',
  'reserve',
  'list versions',
  'bundle',
  'tile',
  'read back',
  'sign',
  'checkpoint copy',
  'checkpoint',
  'acknowledge',
] as const
export type SealStep = (typeof SEAL_STEPS)[number]

/** Goes around every step: what it does before and after calling `body` is what happens to the step. */
export type AroundStep = <T>(step: SealStep, body: () => Promise<T>) => Promise<T>

/** Which step a write under this key is; undefined: none of a seal's own. */
export function writeStepOf(key: string): SealStep | undefined {
  if (key.includes('.meta/staging/')) return 'stage'
  if (key.includes('.meta/seals/')) return 'reserve'
  if (key.includes('/tile/entries/')) return 'bundle'
  if (key.includes('/tile/')) return 'tile'
  if (key.includes('.meta/checkpoints/')) return 'checkpoint copy'
  return key.endsWith('/checkpoint') ? 'checkpoint' : undefined
}

/** A store whose steps can be failed, delayed and paused. Looking whether there is a seal to finish is no step; looking who won a reservation is. */
export function steppedStore(store: WormStore, around: AroundStep): WormStore {
  let reserved = false
  const at = <T>(step: SealStep | undefined, body: () => Promise<T>): Promise<T> =>
    step === undefined ? body() : around(step, body)
  return overriding(store, {
    put: async (key, ...args) => {
      const outcome = await at(writeStepOf(key), () => store.put(key, ...args))
      reserved ||= writeStepOf(key) === 'reserve'
      return outcome
    },
    get: (key) => {
      const step = writeStepOf(key)
      const who = step === 'reserve' && reserved
      if (who) reserved = false
      return at(who ? 'list versions' : step === 'tile' || step === 'bundle' ? 'read back' : undefined, () =>
        store.get(key),
      )
    },
    replace: (key, ...args) => at(writeStepOf(key), () => store.replace(key, ...args)),
  })
}

/** The same object but for some of its methods, however many it has. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(name in methods ? methods : target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** `signed` is told the text of every note that the key has signed, whether it is ever stored or not. */
export function steppedSigner(signer: NoteSigner, around: AroundStep, signed: (text: string) => void): NoteSigner {
  return overriding(signer, {
    sign: (text) =>
      around('sign', async () => {
        signed(text)
        return await signer.sign(text)
      }),
    note: (origin, text) =>
      around('sign', async () => {
        signed(text)
        return await signer.note(origin, text)
      }),
  })
}

export function steppedStream(stream: AuditStream, around: AroundStep): AuditStream {
  return {
    name: stream.name,
    identity: () => stream.identity(),
    read: (from, limits) => around('read', () => stream.read(from, limits)),
  }
}
