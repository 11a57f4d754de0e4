import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ResidencyTable } from '@writ/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readResidency } from './read-residency.ts'

describe('the residency table', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-residency-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))
  const written = async (text: string): Promise<string> => {
    const path = join(dir, 'residency.json')
    await writeFile(path, text)
    return path
  }

  test('knows its jurisdictions and no other, not even one that every object has', async () => {
    const demand = { partition: 'aws', bucket_regions: ['us-east-1'], retention_days_min: 1, retention_days_max: 2 }
    const table = await readResidency(await written(JSON.stringify({ version: 1, jurisdictions: { us: demand } })))
    expect(table.sha256).toMatch(/^[\w-]{43}$/)
    expect(table.demandOf('us')).toEqual(demand)
    expect(table.demandOf('eu')).toBeUndefined()
    expect(table.demandOf('constructor')).toBeUndefined()
  })

  test.each([
    '',
    '{',
    '{}',
    '{"version":1}',
    '{"version":2,"jurisdictions":{}}',
    '{"version":1,"jurisdictions":{"a":{}}}',
  ])('that reads %j is refused', async (text) => {
    await expect(written(text).then(readResidency)).rejects.toMatchObject({ code: 'malformed' })
  })

  test('that is not there is refused', async () => {
    await expect(readResidency(join(dir, 'none.json'))).rejects.toMatchObject({ code: 'malformed' })
  })
})

test('the table that the documentation shows can be read', async () => {
  const text = await readFile(new URL('../../../docs/residency.md', import.meta.url), 'utf8')
  const [, json = ''] = /```json\n([\s\S]*?)```/.exec(text) ?? []
  expect(ResidencyTable.safeParse(JSON.parse(json)).error).toBeUndefined()
})
