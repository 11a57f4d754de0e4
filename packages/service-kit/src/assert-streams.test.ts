import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { streams } from '@writ/contracts'
import { expect, test } from 'vitest'
import { assertFlushed, differences } from './assert-streams.ts'

const region = 'r1'
const asServed = (wanted: object) => ({ storage: 'file', num_replicas: 1, max_msgs: -1, sealed: false, ...wanted })

test('every stream as it is made passes, and so does one that flushes although it need not', () => {
  for (const wanted of streams(region)) {
    const config = asServed(wanted)
    expect(differences(wanted, config, 1)).toEqual([])
    expect(differences(wanted, { ...config, persist_mode: undefined }, 1)).toEqual([])
  }
})

test('each setting that a promise rests on is held to', () => {
  const control = streams(region).find(({ name }) => name === 'CONTROL')
  if (control === undefined) throw new Error('no CONTROL')
  const changes = {
    discard: 'old',
    deny_delete: false,
    deny_purge: false,
    retention: 'workqueue',
    max_age: 1,
    max_msgs: 5,
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    persist_mode: 'async',
    storage: 'memory',
    no_ack: true,
    mirror: { name: 'X' },
    subjects: [...control.subjects, 'more'],
    republish: { src: 'a', dest: 'b' },
    duplicate_window: 120e9,
  }
  for (const [field, value] of Object.entries(changes)) {
    expect(differences(control, { ...asServed(control), [field]: value }, 1)).toEqual([`CONTROL has another ${field}`])
  }
  expect(differences(control, { ...asServed(control), max_bytes: -1 }, 1)).toEqual(['CONTROL has no max_bytes'])
  expect(differences(control, asServed(control), 3)).toEqual(['CONTROL has fewer than 3 replicas'])
})

test('a server that does not flush is refused; one that does not answer is asked again', async () => {
  let config: object = { sync_interval: 120e9, sync_always: true }
  const server = createServer((_, response) => response.end(JSON.stringify({ config }))).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { signal } = new AbortController()
  await assertFlushed(`${url}, ${url}/`, signal)
  config = { sync_interval: 120e9 }
  await expect(assertFlushed(url, signal)).rejects.toMatchObject({ code: 'malformed' })
  await new Promise((resolve) => server.close(resolve))
  await expect(assertFlushed(url, signal)).rejects.toMatchObject({ code: 'unavailable' })
})
