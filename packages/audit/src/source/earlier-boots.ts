import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { storageFault } from '@writ/durable'
import { Outbox } from './outbox.ts'

const FILE_NAME = /^(\d{12})-([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.outbox$/

export interface Boots {
  /** Outboxes of earlier boots, oldest first. */
  readonly earlier: readonly Outbox[]
  /** Where this boot's outbox goes: boots are counted, since clocks go back and names are random. */
  readonly path: string
}

/** Opens what earlier boots left in `dir`, which this process has locked, and names the file of boot `boot`. */
export async function openBoots(dir: string, boot: string): Promise<Boots> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const names = (await readdir(dir)).filter((name) => FILE_NAME.test(name)).sort()
    const earlier: Outbox[] = []
    for (const name of names) earlier.push(await Outbox.open(join(dir, name)))
    const number = Number(FILE_NAME.exec(names.at(-1) ?? '')?.[1] ?? 0) + 1
    return { earlier, path: join(dir, `${String(number).padStart(12, '0')}-${boot}.outbox`) }
  } catch (cause) {
    throw storageFault('Opening the audit outbox', cause)
  }
}
