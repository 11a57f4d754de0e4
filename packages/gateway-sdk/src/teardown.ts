/** What was opened, to be closed in reverse order. */
export class Teardown implements AsyncDisposable {
  readonly #steps: (() => PromiseLike<void> | void)[] = []

  /** Adds what closes something that was just opened. */
  add(step: () => PromiseLike<void> | void): void {
    this.#steps.push(step)
  }

  own<T extends AsyncDisposable>(resource: T): T {
    this.add(() => resource[Symbol.asyncDispose]())
    return resource
  }

  /** Closes everything, also after one failed; then throws the first failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
