import { readFile } from 'node:fs/promises'

/**
 * Where a process spent its CPU, from a V8 profile: shares of the time that it was not idle, by package and by function.
 *
 * @param {string} file
 */
export async function readProfile(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(file, 'utf8'))
  /** @type {Map<number, any>} */
  const byId = new Map(nodes.map((/** @type {any} */ node) => [node.id, node]))
  /** @type {Map<string, number>} */
  const packages = new Map()
  /** @type {Map<string, number>} */
  const functions = new Map()
  let busyUs = 0
  let allUs = 0
  for (const [index, id] of samples.entries()) {
    const us = Math.max(0, timeDeltas[index + 1] ?? 0)
    const { callFrame } = byId.get(id)
    allUs += us
    if (callFrame.functionName === '(idle)') continue
    busyUs += us
    add(packages, packageOf(callFrame), us)
    add(functions, `${callFrame.functionName || '(anonymous)'} ${packageOf(callFrame)}`, us)
  }
  return {
    busy: busyUs / allUs,
    busyMs: busyUs / 1000,
    packages: shares(packages, busyUs),
    functions: shares(functions, busyUs),
  }
}

/** @param {Map<string, number>} map @param {string} name @param {number} us */
function add(map, name, us) {
  map.set(name, (map.get(name) ?? 0) + us)
}

/** @param {Map<string, number>} map @param {number} allUs */
function shares(map, allUs) {
  return [...map].map(([name, us]) => ({ name, share: us / allUs })).toSorted((a, b) => b.share - a.share)
}

/** @param {{ url: string, functionName: string }} callFrame */
function packageOf({ url, functionName }) {
  const installed = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
  const own = /\/(?:packages|services|deploy|examples)\/([^/]+)\/dist\//.exec(url)?.[1]
  if (installed !== undefined) return installed
  if (own !== undefined) return `@writ/${own}`
  if (url.startsWith('node:')) return url
  return functionName.startsWith('(') ? functionName : url === '' ? 'native' : 'bench'
}
