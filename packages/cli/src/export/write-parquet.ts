import { fileWriter, parquetWriteRows } from 'hyparquet-writer'
import { COLUMNS, type EventRow } from './event-row.ts'

/** Rows that are held at a time. */
const GROUP_ROWS = 10_000

/**
 * Rows as Parquet (Snappy): `timestamp` as milliseconds in UTC, what is JSON as JSON. `facts` go into the file's key-value metadata.
 *
 * @param path an empty file
 */
export async function writeParquet(
  path: string,
  rows: AsyncIterable<EventRow>,
  facts: Readonly<Record<string, string>>,
): Promise<number> {
  let count = 0
  await parquetWriteRows({
    writer: fileWriter(path),
    rows: counted(rows, () => {
      count += 1
    }),
    columns: COLUMNS.map(([name, type]) => ({
      name,
      type,
      nullable: true,
      offsetIndex: false,
      statistics: type !== 'JSON',
    })),
    rowGroupSize: GROUP_ROWS,
    kvMetadata: Object.entries(facts).map(([key, value]) => ({ key, value })),
    createdBy: 'writ',
  })
  return count
}

async function* counted(rows: AsyncIterable<EventRow>, count: () => void): AsyncGenerator<Record<string, unknown>> {
  for await (const row of rows) {
    count()
    yield Object.fromEntries(COLUMNS.map(([name, type]) => [name, cellOf(row[name], type)]))
  }
}

function cellOf(value: EventRow['leaf'], type: (typeof COLUMNS)[number][1]): unknown {
  if (value === null) return undefined
  if (type === 'INT64') return BigInt(value as number)
  if (type === 'TIMESTAMP') return new Date(value as string)
  return value
}
