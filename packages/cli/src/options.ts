import { InvalidArgumentError } from 'commander'

/** `a,b` or repeated: a list without empty entries. */
export function list(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, ...value.split(',').map((item) => item.trim())].filter((item) => item !== '')
}

export function wholeNumber(value: string): number {
  if (!/^[0-9]{1,15}$/.test(value)) throw new InvalidArgumentError('a whole number is wanted.')
  return Number(value)
}

export function atLeastOne(value: string): number {
  const number = wholeNumber(value)
  if (number < 1) throw new InvalidArgumentError('at least 1 is wanted.')
  return number
}
