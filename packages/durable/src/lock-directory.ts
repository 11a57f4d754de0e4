import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import { createServer, connect as dial, type Server } from 'node:net'
import { join } from 'node:path'
import { Fault } from '@writ/contracts'
import { errnoOf, storageFault } from './storage-fault.ts'

/** Held until disposed or until the process ends, however it ends. */
export interface DirectoryLock extends AsyncDisposable {
  readonly dir: string
}

/**
 * Takes a directory for this process alone, and makes it (mode 0700) if it is not there. Throws Fault `unavailable` at once when
 * another process, or another lock of this one, holds it.
 *
 * The kernel holds the lock, as a listening socket: nothing is left to clean up after `kill -9`. On Linux the socket is an
 * abstract one named by device and inode, so every path to the directory leads to the same lock. Its namespace is the network
 * namespace: two containers that share a volume are not kept apart, so a volume belongs to one container.
 */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await chmod(dir, 0o700)
    const server = process.platform === 'linux' ? await lockByInode(dir) : await lockBySocketFile(join(dir, '.lock'))
    return { dir, [Symbol.asyncDispose]: () => close(server) }
  } catch (cause) {
    if (errnoOf(cause) !== 'EADDRINUSE') throw storageFault('Locking a directory', cause)
    throw new Fault('unavailable', { message: `Another process uses the directory ${dir}.`, cause })
  }
}

async function lockByInode(dir: string): Promise<Server> {
  const { dev, ino } = await stat(dir, { bigint: true })
  return listen(`\0writ-lock-${dev}-${ino}`)
}

async function lockBySocketFile(path: string): Promise<Server> {
  try {
    return await listen(path)
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE' || (await answers(path))) throw error
    await rm(path, { force: true })
    return listen(path)
  }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(path)
    const done = (alive: boolean) => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
