import { readFile } from 'node:fs/promises'

/** How much memory processes held, sampled from /proc while something went on. */
export class MemorySamples implements Disposable {
  readonly #pids: ReadonlyMap<string, number>
  readonly #series = new Map<string, number[]>()
  readonly #timer: NodeJS.Timeout

  constructor(pids: ReadonlyMap<string, number>, everyMs = 500) {
    this.#pids = pids
    this.#timer = setInterval(() => void this.#sample(), everyMs)
  }

  async #sample(): Promise<void> {
    for (const [name, pid] of this.#pids) {
      const mib = await residentMib(pid)
      if (mib !== undefined) this.#series.set(name, [...(this.#series.get(name) ?? []), mib])
    }
  }

  /**
   * By process: the least that it held in the second fifth of the time, when everything is warm, and in the last, in MiB. The least is
   * what is left when garbage has just been collected.
   */
  growth(): ReadonlyMap<string, { readonly early: number; readonly late: number }> {
    return new Map(
      [...this.#series].map(([name, series]) => {
        const fifth = (n: number) =>
          series.slice(Math.floor((series.length * n) / 5), Math.ceil((series.length * (n + 1)) / 5))
        return [name, { early: Math.min(...fifth(1)), late: Math.min(...fifth(4)) }]
      }),
    )
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** VmRSS; undefined: the process is gone. */
async function residentMib(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  return kib === undefined ? undefined : Number(kib) / 1024
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
