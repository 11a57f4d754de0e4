import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { writeFileDurably } from '@writ/durable'

/** A process of ours: its start time tells it from a later process with the same id. */
interface Known {
  readonly name: string
  readonly pid: number
  readonly startedAt: string
}

/** What this stack has started, in a file, so that the next start can end it when this one was killed. */
export class ProcessFile {
  readonly #file: string
  #known: Known[] = []
  #writing: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.#file = file
  }

  async add(name: string, pid: number): Promise<void> {
    const startedAt = await startOf(pid)
    if (startedAt === undefined) return
    this.#known.push({ name, pid, startedAt })
    await this.#write()
  }

  async remove(pid: number): Promise<void> {
    this.#known = this.#known.filter((known) => known.pid !== pid)
    await this.#write()
  }

  #write(): Promise<void> {
    const write = () => writeFileDurably(this.#file, `${JSON.stringify(this.#known)}\n`)
    this.#writing = this.#writing.then(write, write)
    return this.#writing
  }

  /** Ends what an earlier start left running, and nothing else. Returns the names. */
  async endLeftOvers(): Promise<readonly string[]> {
    const left = await readKnown(this.#file)
    const running: Known[] = []
    for (const known of left) if ((await startOf(known.pid)) === known.startedAt) running.push(known)
    for (const { pid } of running) signal(pid, 'SIGTERM')
    for (const { pid, startedAt } of running) {
      for (let tries = 0; (await startOf(pid)) === startedAt; tries++) {
        if (tries === 100) signal(pid, 'SIGKILL')
        await delay(50)
      }
    }
    await this.#write()
    return running.map(({ name }) => name)
  }
}

async function readKnown(file: string): Promise<readonly Known[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as readonly Known[]
  } catch {
    return []
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended in between.
  }
}

/** Field 22 of /proc/<pid>/stat; undefined when there is no such process, or it is only waiting to be reaped. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
