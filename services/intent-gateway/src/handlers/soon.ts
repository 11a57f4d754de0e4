/**
 * Waits for the log, but not for long: an audit event that was taken reaches the log from this process's outbox, and what a killed process
 * had taken only into memory is recorded by whoever settles the intent. Not for what lets an effect go. Throws what `recorded` throws in
 * time: then it was not taken.
 */
export async function soon(recorded: Promise<void>, report: (error: unknown) => void, withinMs = 2000): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let waiting = true
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs)
  })
  recorded.catch((error: unknown) => {
    if (!waiting) report(error)
  })
  await Promise.race([recorded, late]).finally(() => {
    waiting = false
    clearTimeout(timer)
  })
}
