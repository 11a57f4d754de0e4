import type { GoldenRow } from '@writ/policy/review'
import type { PolicySource } from '../policy/source.ts'
import { type Line, styled } from '../terminal/style.ts'
import { tableLines } from '../terminal/table.ts'

/** `2026-11-24 22:05:22`, UTC. */
export function instant(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
}

/** The tests that policies brought, and what of them failed. */
export function linesOfTests({ tests, built, problems }: PolicySource): readonly Line[] {
  const coverage = tests?.coverage
  const golden = built === undefined ? [] : [`${built.table.length} golden decisions`]
  const own =
    tests === undefined
      ? []
      : [`${tests.ran} tests${coverage === undefined ? '' : `, which cover ${coverage} % of the rules`}`]
  const verdict = problems.length === 0 ? 'all as expected' : `${problems.length} problems`
  return [
    [styled(problems.length === 0 ? 'green' : 'red', `tests     ${[...own, ...golden].join('; ')}: ${verdict}`)],
    ...problems.flatMap((problem) => problem.split('\n').map((line) => `  ${line}`)),
  ]
}

/** Golden decisions that another bundle took otherwise. */
export function linesOfGolden(table: readonly GoldenRow[]): readonly Line[] {
  const changed = table.filter((row) => row.changed.length > 0)
  if (changed.length === 0)
    return [`golden    ${table.length} golden decisions: none other than under the active bundle`]
  const columns = [{ title: '  GOLDEN' }, { title: 'WAS' }, { title: 'WOULD BE' }, { title: 'CHANGED' }]
  return [
    [
      styled(
        'yellow',
        `golden    ${changed.length} of ${table.length} golden decisions are other than under the active bundle`,
      ),
    ],
    ...tableLines(
      columns,
      changed.map(({ name, before, after, changed: how }) => [
        `  ${name}`,
        before?.outcome ?? 'fails',
        after?.outcome ?? 'fails',
        how.includes('outcome') ? 'outcome' : how.join(', '),
      ]),
    ),
  ]
}
