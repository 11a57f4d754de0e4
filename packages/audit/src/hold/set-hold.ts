import { Fault } from '@writ/contracts'
import type { Signer } from '@writ/keys'
import type { WormStore } from '@writ/worm-store'
import { sealKey } from '../log/log-keys.ts'
import { readHolds } from './held-epochs.ts'
import { type HoldWord, holdKey, signHold } from './hold-record.ts'

export interface SetHold {
  readonly store: WormStore
  /** `<domain>/<r>/<epoch>` */
  readonly origin: string
  readonly action: HoldWord['action']
  readonly reason: string
  readonly operatorId: string
  readonly signer: Signer
  readonly now: () => Date
  /** How long the word itself is locked. */
  readonly retainMs: number
  /** After each object, with how many were done. */
  readonly progress?: (objects: number) => void
}

export interface HoldSet {
  /** Objects that were looked at, each held or lifted now. */
  readonly objects: number
  /** Number of the word that counts now. */
  readonly n: number
  /** False where the same was said before, and only what it left undone was done. */
  readonly said: boolean
}

const AT_ONCE_MAX = 16

/**
 * Places every object of an epoch under legal hold, or lifts it: the log and what lies beside it. The operator's word is written first, so from then on the epoch
 * counts as held; of a release the first seal comes last, so it counts as held until everything is lifted. The same call again goes on where
 * an interrupted one stopped, and covers what was written since.
 * Throws Fault `malformed` where the store holds no such epoch, `unavailable` when it does not answer or another operator spoke at the same moment.
 */
export async function setHold(options: SetHold): Promise<HoldSet> {
  const { store, origin, action, progress } = options
  const first = sealKey(origin, 1)
  if ((await store.get(first)) === undefined)
    throw new Fault('malformed', { message: 'The store holds no log of that epoch.' })
  const spoken = await say(options)
  let objects = 0
  const on = action === 'hold'
  const set = async (keys: readonly string[]): Promise<void> => {
    await Promise.all(
      keys.map(async (key) => {
        if (!(await store.hold(key, on))) return
        objects++
        progress?.(objects)
      }),
    )
  }
  if (on) await set([first])
  let some: string[] = []
  for (const folder of [`${origin}/`, `${origin}.meta/`])
    for await (const key of keysBelow(store, folder)) {
      if (key === first) continue
      some.push(key)
      if (some.length < AT_ONCE_MAX) continue
      await set(some)
      some = []
    }
  await set(some)
  if (!on) await set([first])
  return { objects, ...spoken }
}

async function say(options: SetHold): Promise<{ readonly n: number; readonly said: boolean }> {
  const { store, origin, action, reason, operatorId: iss, signer, now, retainMs } = options
  const { words, next, unreadable } = await readHolds(store, origin)
  const last = words.at(-1)
  if (!unreadable && last?.action === action) return { n: last.n, said: false }
  const iat = Math.floor(now().getTime() / 1000)
  const word = await signHold(signer, { action, origin, n: next, iss, iat, reason })
  if ((await store.put(holdKey(origin, next), word, new Date(now().getTime() + retainMs))) === 'conflict')
    throw new Fault('unavailable', {
      message: 'Another operator spoke about this epoch at the same moment: look again.',
    })
  return { n: next, said: true }
}

async function* keysBelow(store: WormStore, prefix: string): AsyncIterable<string> {
  for await (const name of store.list(prefix)) {
    if (name.endsWith('/')) yield* keysBelow(store, `${prefix}${name}`)
    else yield `${prefix}${name}`
  }
}
