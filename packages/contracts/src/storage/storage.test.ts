import { describe, expect, test } from 'vitest'
import { ResidencyTable } from './residency.ts'
import { storeStatementOf } from './store-checks.ts'

const demand = {
  partition: 'aws-eusc',
  bucket_regions: ['eusc-de-east-1'],
  retention_days_min: 190,
  retention_days_max: 400,
}
const table = (changes: object) => ({ version: 1, jurisdictions: { 'eusc-de-east-1': { ...demand, ...changes } } })

describe('a residency table', () => {
  test('is read', () => {
    const keys = { regions: ['eusc-de-east-1'], specs: ['ECC_NIST_P256'] }
    expect(ResidencyTable.safeParse(table({ keys, endpoints: ['https://s3.plant.example:9000'] })).success).toBe(true)
  })

  test.each([
    ['a word that it does not know', { bucket_region: 'eu-central-1' }],
    ['no region', { bucket_regions: [] }],
    ['a kind of key that cannot sign a log', { keys: { regions: ['eu-central-1'], specs: ['RSA_2048'] } }],
    ['bounds that nothing meets', { retention_days_min: 500 }],
    ['an endpoint that is no address', { endpoints: ['s3.example'] }],
  ])('is refused whole with %s', (_, changes) => {
    expect(ResidencyTable.safeParse(table(changes)).success).toBe(false)
  })
})

describe('what a sink says of its store', () => {
  const store = { kind: 's3', proven: false, failed: ['bulk_delete'], unproven: 'tests' }

  test('is read back from its event', () => {
    expect(storeStatementOf({ previous: {}, store })).toEqual(store)
  })

  test.each([undefined, {}, { store: { ...store, failed: ['no_such_check'] } }, { store: { ...store, text: 'x' } }])(
    'is nothing where %j says it in other words',
    (detail) => {
      expect(storeStatementOf(detail)).toBeUndefined()
    },
  )
})
