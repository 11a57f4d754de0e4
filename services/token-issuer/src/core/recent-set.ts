/** The last so many names that were added. */
export class RecentSet {
  readonly #entriesMax: number
  readonly #names = new Set<string>()

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  add(name: string): void {
    this.#names.add(name)
    if (this.#names.size > this.#entriesMax) this.#names.delete(this.#names.values().next().value as string)
  }
}
