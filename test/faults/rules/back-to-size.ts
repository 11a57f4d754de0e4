import type { Usage } from '../history.ts'
import type { Rule } from './rule.ts'

const MIB = 2 ** 20

/** How much more than after the first intents a process may hold after the last one. */
export const MORE_AT_MOST: Readonly<Record<Usage['what'], number>> = {
  rss_bytes: 96 * MIB,
  descriptors: 24,
  files: 40,
}

/** Memory, open files and files on disk return to where they were. */
export const backToSize: Rule = ({ usage }) =>
  usage
    .filter(({ what, before, after }) => after - before > MORE_AT_MOST[what])
    .map(({ process, what, before, after }) => ({
      rule: 'back-to-size',
      about: process,
      message: `${what}: ${before} before, ${after} after`,
    }))
