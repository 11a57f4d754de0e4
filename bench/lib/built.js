import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * A module of the tree that is measured, as it was built there: `packages/bus`, or a file below it. Types are unknown here, since
 * the tree may be another commit than the one that this file belongs to.
 *
 * @param {string} root
 * @param {string} workspace
 * @param {string} [file]
 * @returns {Promise<any>}
 */
export async function built(root, workspace, file = 'index.js') {
  return await import(pathToFileURL(join(root, workspace, 'dist', file)).href)
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function readJson(path) {
  return JSON.parse(await readFile(path, 'utf8'))
}
