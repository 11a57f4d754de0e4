import { cp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LOCAL_ROLES } from '@writ/local'
import { ownProcess } from '../support/own-process.ts'
import { redisCommand } from '../support/redis.ts'
import type { Plant } from './plant.ts'
import { eventually } from './recorder.ts'
import { type Fault, GATEWAYS, PROCESSES } from './schedule.ts'

/** The instance beside the first. */
export const SECOND = '1'
const APPENDED = 'appendonlydir'
const SNAPSHOT = 'snapshot'

/** What Redis holds now is what a later `roll-back` goes back to. */
export async function keepRedis({ stack }: Plant): Promise<void> {
  await cp(join(stack.paths.redis, APPENDED), join(stack.paths.redis, SNAPSHOT), { recursive: true })
}

/** Does it. Resolves when it is over and what it was done to can work again. */
export async function inject(plant: Plant, { kind, process, ms }: Fault): Promise<void> {
  switch (kind) {
    case 'kill':
      return killed(plant, process)
    case 'stop': {
      const stopped = ownProcess(plant.stack, process)
      stopped.signal('SIGSTOP')
      await delay(ms).finally(() => stopped.signal('SIGCONT'))
      return
    }
    case 'cut':
    case 'stall': {
      const lines = linesOf(plant, process)
      for (const line of lines) line[kind]()
      await delay(ms).finally(() => {
        for (const line of lines) line.resume()
      })
      return
    }
    case 'lose':
      return killed(plant, process, () => loseUnflushed(plant))
    case 'power-cut':
      return powerCut(plant)
    case 'empty':
      await redisCommand(plant.redisUrl, 'FLUSHALL')
      return
    case 'roll-back':
      return killed(plant, process, () => rollBack(plant))
    case 'new-policy': {
      const stopped = ownProcess(plant.stack, process)
      stopped.signal('SIGSTOP')
      try {
        await plant.otherPolicy()
        await killed(plant, `${process}-${SECOND}`)
      } finally {
        stopped.signal('SIGCONT')
      }
      return
    }
  }
}

/** `before`: what happens to its files first, while it is stopped and writes nothing. */
async function killed(plant: Plant, name: string, before?: () => Promise<void>): Promise<void> {
  const running = ownProcess(plant.stack, name)
  if (before !== undefined) {
    running.signal('SIGSTOP')
    await before()
  }
  running.signal('SIGKILL')
  await startedAgain(plant, name, running.pid)
}

async function startedAgain(plant: Plant, name: string, killed: number): Promise<void> {
  const again = async () => ![killed, undefined].includes(plant.stack.pidOf(name))
  await eventually(`${name} runs again`, 30_000, again)
  await plant.untilReady(name)
}

async function powerCut(plant: Plant): Promise<void> {
  const all = PROCESSES.map((name) => ({ name, running: ownProcess(plant.stack, name) }))
  for (const { running } of all) running.signal('SIGSTOP')
  await loseUnflushed(plant)
  for (const { running } of all) running.signal('SIGKILL')
  await Promise.all(all.map(({ name, running }) => startedAgain(plant, name, running.pid)))
}

function linesOf({ lines }: Plant, process: string) {
  const names = process === 'nats-server' ? [...LOCAL_ROLES, ...GATEWAYS] : [process]
  return names.map((name) => {
    const line = lines.get(name)
    if (line === undefined) throw new Error(`${name} has no line`)
    return line
  })
}

async function loseUnflushed({ stack }: Plant): Promise<void> {
  const files = await readdir(stack.paths.nats, { recursive: true })
  const lost = files.filter((path) => /\/streams\/(INTENTS|PLANS|OUTCOMES|STATUS)\/msgs$/.test(path))
  if (lost.length !== 4) throw new Error(`not the four streams: ${lost.join(', ')}`)
  await Promise.all(lost.map((path) => rm(join(stack.paths.nats, path), { recursive: true })))
}

async function rollBack({ stack }: Plant): Promise<void> {
  const at = (name: string): string => join(stack.paths.redis, name)
  await rm(at('replaced'), { recursive: true, force: true })
  await rename(at(APPENDED), at('replaced'))
  await cp(at(SNAPSHOT), at(APPENDED), { recursive: true })
}
