/** Makes an input that breaks a promise as short as it gets: ever smaller pieces are left out, as long as it still does. */
export async function shrink(
  input: Uint8Array,
  stillBreaks: (candidate: Uint8Array) => Promise<boolean>,
  msMax = 10_000,
): Promise<Uint8Array> {
  let best = input
  const begun = performance.now()
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < best.length && performance.now() - begun < msMax; ) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)])
      if (await stillBreaks(candidate)) best = candidate
      else at += piece
    }
  }
  return best
}
