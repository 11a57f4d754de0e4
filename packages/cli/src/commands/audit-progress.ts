import type { Output } from '../output.ts'

const EVERY_MS = 200

/** Tells on a terminal how far reading has come: how many, of how many, how fast, how long yet. */
export function progressOf(out: Output, what: string): (done: number, of: number) => void {
  const began = performance.now()
  let told = 0
  return (done, of) => {
    const now = performance.now()
    if (now - told < EVERY_MS) return
    told = now
    out.progress(`${what} ${progressText(done, of, (now - began) / 1000)}`)
  }
}

/** `12,288 of 40,000 entries (31 %), 4,096 a second, about 7 s left` */
export function progressText(done: number, of: number, seconds: number): string {
  const number = (value: number): string => Math.round(value).toLocaleString('en-US')
  const share = of === 0 ? 100 : Math.floor((100 * done) / of)
  const rate = seconds > 0 ? done / seconds : 0
  const left = rate > 0 ? (of - done) / rate : Number.POSITIVE_INFINITY
  const wait =
    left < 1 || !Number.isFinite(left)
      ? ''
      : `, about ${left < 90 ? `${number(left)} s` : `${number(left / 60)} min`} left`
  return `${number(done)} of ${number(of)} entries (${share} %), ${number(rate)} a second${wait}`
}
