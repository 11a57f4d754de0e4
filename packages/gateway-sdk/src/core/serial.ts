/** Runs tasks one after another, in the order in which they were given; one that fails does not keep the next from running. */
export function serial(): <T>(task: () => Promise<T>) => Promise<T> {
  let turn: Promise<unknown> = Promise.resolve()
  return (task) => {
    const mine = turn.then(task, task)
    turn = mine.catch(() => undefined)
    return mine
  }
}
