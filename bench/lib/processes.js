import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const TICK_MS = 10
const PAGE_KIB = 4

/**
 * What Linux says of a process: CPU used, milliseconds (user and system), and resident memory, KiB.
 *
 * @param {number} pid
 */
export async function usageOf(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets and may hold spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const at = (/** @type {number} */ index) => Number(fields[index])
  return { cpuMs: (at(11) + at(12)) * TICK_MS, residentKib: at(21) * PAGE_KIB }
}

/**
 * @param {ReadonlyMap<string, number>} pids
 * @returns {Promise<Map<string, { cpuMs: number, residentKib: number }>>}
 */
export async function usages(pids) {
  return new Map(
    await Promise.all([...pids].map(async ([name, pid]) => /** @type {const} */ ([name, await usageOf(pid)]))),
  )
}

/**
 * Milliseconds of CPU that each process used between two looks.
 *
 * @param {Map<string, { cpuMs: number }>} before
 * @param {Map<string, { cpuMs: number }>} after
 * @returns {Record<string, number>}
 */
export function cpuBetween(before, after) {
  return Object.fromEntries([...after].map(([name, { cpuMs }]) => [name, cpuMs - (before.get(name)?.cpuMs ?? 0)]))
}

/**
 * What the machine did meanwhile that was not ours: CPU of everybody else, milliseconds.
 *
 * @returns {Promise<number>}
 */
export async function machineBusyMs() {
  const [first = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first.trim().split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softirq) * TICK_MS
}

/**
 * @param {() => Promise<boolean> | boolean} condition
 * @param {number} withinMs
 */
export async function until(condition, withinMs) {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await delay(20)
  }
  return true
}
