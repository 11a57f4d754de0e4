/** Entries that are read and taken apart before the one whose turn it is. */
const AHEAD_MAX = 32

/**
 * Items in their order, each with what `prepare` makes of it while those before it are still in work: reading goes on, and whatever `prepare` has begun on
 * other threads. Holds a bounded number of them.
 */
export async function* lookAhead<T, P extends { readonly ready: Promise<unknown> }>(
  items: AsyncIterable<T>,
  prepare: (item: T) => P,
): AsyncGenerator<{ readonly item: T; readonly prepared: P }> {
  const source = items[Symbol.asyncIterator]()
  const next = async () => {
    const result = await source.next()
    return result.done === true ? undefined : { item: result.value, prepared: prepare(result.value) }
  }
  const coming: ReturnType<typeof next>[] = []
  for (;;) {
    while (coming.length < AHEAD_MAX) {
      const one = next()
      // It is awaited in its turn, which may never come.
      one.catch(() => undefined)
      coming.push(one)
    }
    const one = await coming.shift()
    if (one === undefined) return
    await one.prepared.ready
    yield one
  }
}
