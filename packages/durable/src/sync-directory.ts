import { open } from 'node:fs/promises'

/** Makes names in a directory durable: a renamed or created file is only certain to be found after this. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
