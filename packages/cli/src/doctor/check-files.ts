import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '@writ/durable'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether others may not get at a secret. Undefined: it is not there. */
export async function checkPrivate(check: string, path: string): Promise<Finding | undefined> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  return found === undefined ? undefined : gradeMode(check, path, found.mode, found.isDirectory())
}

/** Secrets are 0600 in folders of 0700. A folder that others may look into shows names only. */
export function gradeMode(check: string, path: string, mode: number, isFolder: boolean): Finding {
  const bits = (mode & 0o777).toString(8).padStart(4, '0')
  if ((mode & 0o077) === 0) return ok(check, `${path} is ${bits}`)
  const wanted = isFolder ? '700' : '600'
  const grade = isFolder && (mode & 0o022) === 0 ? warn : fail
  return grade(check, `${path} is ${bits}: others may get at it.`, `chmod ${wanted} ${path}`)
}

/** Every file below a folder of secrets, as one finding, or one for each that is open to others. */
export async function checkAllPrivate(check: string, folder: string): Promise<readonly Finding[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  })
  const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const found = await Promise.all(files.map((file) => checkPrivate(check, file)))
  const bad = found.filter((finding) => finding !== undefined && finding.grade !== 'ok') as Finding[]
  return bad.length > 0 ? bad : [ok(check, `${files.length} files in ${folder} are 0600`)]
}
