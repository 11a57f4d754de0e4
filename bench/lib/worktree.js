import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readJson } from './built.js'

const run = promisify(execFile)

/**
 * Another commit, checked out and built in a folder of its own. It shares this tree's installed packages, so a commit with other
 * dependencies does not run.
 *
 * @param {string} root
 * @param {string} ref
 */
export async function openWorktree(root, ref) {
  const { stdout } = await run('git', ['rev-parse', '--short', ref], { cwd: root })
  const folder = join(await mkdtemp(join(tmpdir(), 'writ-commit-')), stdout.trim())
  await run('git', ['worktree', 'add', '--detach', folder, ref], { cwd: root })
  const close = async () => {
    await run('git', ['worktree', 'remove', '--force', folder], { cwd: root })
    await rm(join(folder, '..'), { recursive: true, force: true })
  }
  try {
    await linkPackages(root, folder)
    await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'], { cwd: folder })
    return { root: folder, commit: stdout.trim(), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What is installed is linked; the workspaces are the folder's own. @param {string} root @param {string} folder */
async function linkPackages(root, folder) {
  const installed = join(folder, 'node_modules')
  await mkdir(join(installed, '@writ'), { recursive: true })
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== '@writ') await symlink(join(root, 'node_modules', name), join(installed, name))
  const { workspaces } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  for (const pattern of workspaces) {
    const parent = pattern.replace(/\/\*$/, '')
    const names = parent === pattern ? [''] : await readdir(join(folder, parent))
    for (const name of names) {
      const path = join(folder, parent, name)
      const manifest = await readJson(join(path, 'package.json')).catch(() => undefined)
      if (manifest?.name?.startsWith('@writ/')) await symlink(path, join(installed, manifest.name))
    }
  }
}
