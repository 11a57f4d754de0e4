/** AsyncDisposableStack for Node 20, which has the symbols but not the class. Disposes in reverse order, all of them. */
export class Teardown implements AsyncDisposable {
  #resources: AsyncDisposable[] = []

  use<T extends AsyncDisposable>(resource: T): T {
    this.#resources.push(resource)
    return resource
  }

  /** Runs `dispose` in its turn. */
  defer(dispose: () => void | Promise<void>): void {
    this.use({ [Symbol.asyncDispose]: async () => dispose() })
  }

  /** Hands ownership to the caller, so leaving the current scope disposes nothing. */
  release(): Teardown {
    const owner = new Teardown()
    owner.#resources = this.#resources
    this.#resources = []
    return owner
  }

  /** Throws the first error, after everything else has been disposed of too. */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = []
    for (const resource of this.#resources.splice(0).toReversed()) {
      try {
        await resource[Symbol.asyncDispose]()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
