import { readFileSync } from 'node:fs'

/** A process that this one started: its parent and its start time tell it from a later process with the same id. */
export interface OwnProcess {
  readonly pid: number
  /** Throws when the process has ended; nobody else is signalled then. */
  signal(name: NodeJS.Signals): void
}

/** A process that keeps running under a supervisor in this process. Throws when it does not run now: an id of 0 would name the own group. */
export function ownProcess(stack: { pidOf(name: string): number | undefined }, name: string): OwnProcess {
  const pid = stack.pidOf(name)
  if (pid === undefined) throw new Error(`${name} does not run`)
  const started = startOf(pid)
  return {
    pid,
    signal: (signal) => {
      if (started === undefined || startOf(pid) !== started) throw new Error(`${name} (${pid}) has ended`)
      process.kill(pid, signal)
    },
  }
}

/** When a child of this process was started; undefined when there is none with that id. Fields 3, 4 and 22 of /proc/<pid>/stat. */
function startOf(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[1] !== String(process.pid) ? undefined : fields[19]
}
