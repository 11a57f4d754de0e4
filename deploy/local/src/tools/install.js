var __addDisposableResource =
  (this && this.__addDisposableResource) ||
  ((env, value, async) => {
    if (value !== null && value !== void 0) {
      if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('Object expected.')
      var dispose, inner
      if (async) {
        if (!Symbol.asyncDispose) throw new TypeError('Symbol.asyncDispose is not defined.')
        dispose = value[Symbol.asyncDispose]
      }
      if (dispose === void 0) {
        if (!Symbol.dispose) throw new TypeError('Symbol.dispose is not defined.')
        dispose = value[Symbol.dispose]
        if (async) inner = dispose
      }
      if (typeof dispose !== 'function') throw new TypeError('Object not disposable.')
      if (inner)
        dispose = function () {
          try {
            inner.call(this)
          } catch (e) {
            return Promise.reject(e)
          }
        }
      env.stack.push({ value: value, dispose: dispose, async: async })
    } else if (async) {
      env.stack.push({ async: true })
    }
    return value
  })
var __disposeResources =
  (this && this.__disposeResources) ||
  ((SuppressedError) => (env) => {
    function fail(e) {
      env.error = env.hasError ? new SuppressedError(e, env.error, 'An error was suppressed during disposal.') : e
      env.hasError = true
    }
    var r,
      s = 0
    function next() {
      while ((r = env.stack.pop())) {
        try {
          if (!r.async && s === 1) return ((s = 0), env.stack.push(r), Promise.resolve().then(next))
          if (r.dispose) {
            var result = r.dispose.call(r.value)
            if (r.async)
              return (
                (s |= 2),
                Promise.resolve(result).then(next, (e) => {
                  fail(e)
                  return next()
                })
              )
          } else s |= 1
        } catch (e) {
          fail(e)
        }
      }
      if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve()
      if (env.hasError) throw env.error
    }
    return next()
  })(
    typeof SuppressedError === 'function'
      ? SuppressedError
      : (error, suppressed, message) => {
          var e = new Error(message)
          return ((e.name = 'SuppressedError'), (e.error = error), (e.suppressed = suppressed), e)
        },
  )

import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '@writ/contracts'
import { lockDirectory } from '@writ/durable'
import { installWithApt } from './install-apt.js'
import { installWithGo } from './install-go.js'
import { advice } from './judge.js'
import { formatVersion } from './version.js'

const LOCK_WAIT_MS = 20 * 60_000
const LOCK_RETRY_MS = 250
/** One installer of a tool at a time, over all processes of this machine. */
export async function whileLocked(cache, tool, body) {
  const env_1 = { stack: [], error: void 0, hasError: false }
  try {
    const _lock = __addDisposableResource(env_1, await lock(join(cache, '.locks', tool.name)), true)
    return await body()
  } catch (e_1) {
    env_1.error = e_1
    env_1.hasError = true
  } finally {
    const result_1 = __disposeResources(env_1)
    if (result_1) await result_1
  }
}
async function lock(dir) {
  await mkdir(dir, { recursive: true })
  for (const deadline = performance.now() + LOCK_WAIT_MS; ; await sleep(LOCK_RETRY_MS)) {
    try {
      return await lockDirectory(dir)
    } catch (error) {
      if (!isFault(error) || performance.now() > deadline) throw error
    }
  }
}
/**
 * Installs into a folder beside the cache's others, asks `versionOf` whether it will do, and only then gives it its
 * name: a folder in the cache is whole. Throws Fault `unavailable` with what a person can do about it.
 */
export async function install(cache, tool, env, versionOf) {
  await mkdir(cache, { recursive: true })
  const dir = await mkdtemp(join(cache, '.new-'))
  try {
    const { installer } = tool
    const complaint =
      installer.from === 'go'
        ? await installWithGo(tool, installer, dir, env)
        : await installWithApt(tool, installer, dir, env)
    if (complaint !== undefined)
      throw new Fault('unavailable', { message: `${advice(tool)} (Tried here: ${complaint})` })
    const version = await versionOf(join(dir, 'bin', tool.name))
    for (const leftover of ['debs', 'lists', 'cache']) await rm(join(dir, leftover), { recursive: true, force: true })
    const folder = join(cache, `${tool.name}-${formatVersion(version)}`)
    await rm(folder, { recursive: true, force: true })
    await rename(dir, folder)
    return join(folder, 'bin', tool.name)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
//# sourceMappingURL=install.js.map
