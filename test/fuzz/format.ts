import type fc from 'fast-check'

/** One kind of bytes that the product reads, and what is promised about reading it. `T`: what an accepted input means. */
export interface Format<T = unknown> {
  readonly name: string
  /** Inputs that must be accepted; mutations start from them. */
  readonly samples: readonly Uint8Array[]
  /** Structured garbage: near enough to the format to pass its first checks. */
  readonly garbage: fc.Arbitrary<Uint8Array>
  /**
   * The product's own reader. `REFUSED`, or a Fault with a code of CONTRACT section 7: the input is refused. Anything else that is
   * thrown is a finding.
   */
  read(input: Uint8Array): Read<T> | Promise<Read<T>>
  /** Names a documented refusal that is no Fault; undefined: it is a finding. */
  refusalOf?(error: unknown): string | undefined
  /** The product's own writer: what it writes reads as the same value. Undefined: this value is not one that it writes. */
  write?(value: T): Uint8Array | undefined
  /** What of a value counts where two are compared. Default: all of it. */
  meaning?(value: T): unknown
  /** Accepted bytes are the one form of their value: `write(read(input))` is the input. Needs `write`. */
  readonly oneForm?: boolean
  /** Keys are checked: an accepted input means what one of the samples means, whatever bytes it has. */
  readonly genuine?: boolean
  /** What is promised of an accepted value by itself; a sentence: it is broken. */
  check?(value: T, input: Uint8Array): string | undefined
  /** Longer inputs are not tried. Default: 64 KiB. */
  readonly bytesMax?: number
}

/** The reader's own way of saying no where it does not throw. */
export const REFUSED: unique symbol = Symbol('refused')
export type Read<T> = T | typeof REFUSED

/** Erases the type of a format's value, which only its own functions look at. */
export function format<T>(made: Format<T>): Format {
  return made as Format
}

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8')
export const jsonBytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
/** `undefined` is how some readers refuse. */
export const orRefused = <T>(value: T | undefined): Read<T> => value ?? REFUSED
