/** What a step of the story says about itself, a line a fact, and whether it came out as it should. */
export interface Told {
  readonly lines: readonly (readonly [string, string])[]
  /** undefined: as expected. Otherwise what was expected instead. */
  readonly instead?: string
  /** Digests of the intents it submitted, to show their evidence. */
  readonly intents?: readonly string[]
}

export interface Step {
  readonly title: string
  tell(): Promise<Told>
}
