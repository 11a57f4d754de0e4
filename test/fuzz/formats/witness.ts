import {
  type AddCheckpoint,
  formatAddCheckpoint,
  formatVkey,
  NOTE_COSIGNATURE,
  type NoteVerifier,
  noteVerifier,
  parseAddCheckpoint,
  parseTlogPolicy,
  proveConsistency,
  type TlogPolicy,
} from '@writ/audit'
import { fromBase64url, publicJwk } from '@writ/keys'
import fc from 'fast-check'
import { judgeCheckpoint, readRequest, type Witnessed } from '../../../packages/witness/src/core/judge-checkpoint.ts'
import { bytes, type Format, format, REFUSED, textOf } from '../format.ts'
import { keyOf } from '../plant.ts'
import { anyText } from './json.ts'
import { checkpointNote, hashOf, pinned, rootOf } from './log.ts'

/** What the witness cosigned last. */
const LAST: Witnessed = { size: 3, root: rootOf(3) }

async function request(older: number, size: number): Promise<AddCheckpoint> {
  return { older, proof: await proveConsistency(older, size, hashOf), checkpoint: await checkpointNote(size) }
}

const line = fc.oneof(
  fc.constantFrom(
    'old 0',
    'old 3',
    'old 5',
    'old 03',
    'old -1',
    'old 9007199254740993',
    '',
    '3',
    '5',
    'log',
    'quorum none',
    'group g any w',
  ),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((raw) => Buffer.from(raw).toString('base64')),
  anyText(8),
)
const lines: fc.Arbitrary<Uint8Array> = fc.array(line, { maxLength: 8 }).map((all) => bytes(all.join('\n')))

/** The parser of requests alone. */
export async function addCheckpoint(): Promise<Format> {
  const requests = [await request(0, 3), await request(3, 5), await request(5, 5)]
  return format<AddCheckpoint>({
    name: 'add-checkpoint',
    samples: requests.map((each) => bytes(formatAddCheckpoint(each))),
    garbage: lines,
    oneForm: true,
    read: (input) => {
      const text = textOf(input)
      return Buffer.from(text).equals(input) ? parseAddCheckpoint(text) : REFUSED
    },
    write: (value) => bytes(formatAddCheckpoint(value)),
  })
}

/** What a witness that knows a tree of three cosigns: the log's own trees, and none that is smaller. */
export async function witnessed(): Promise<Format> {
  const requests = [await request(3, 4), await request(3, 5), await request(3, 3)]
  return format<Witnessed>({
    name: 'witnessed',
    samples: requests.map((each) => bytes(formatAddCheckpoint(each))),
    garbage: lines,
    genuine: true,
    read: (input) => {
      const asked = readRequest(textOf(input), [pinned])
      const judged = 'verdict' in asked ? asked : judgeCheckpoint(asked, LAST)
      return judged.verdict === 'cosign' ? judged.tree : REFUSED
    },
    check: ({ size, root }) =>
      size >= LAST.size && Buffer.compare(root, rootOf(size)) === 0
        ? undefined
        : 'a tree that the log does not have is cosigned',
  })
}

const cosigner = (name: string): NoteVerifier => {
  const jwk = publicJwk(keyOf(name))
  return noteVerifier(`${name}.example/w`, fromBase64url(jwk.kty === 'OKP' ? jwk.x : ''), NOTE_COSIGNATURE)
}

/** A policy that demands something is met by all of its witnesses together, and by nobody when none has cosigned. */
export function witnessPolicy(): Format {
  const [a, b] = [cosigner('clock'), cosigner('log')].map((each) => formatVkey(each))
  const all = [`log ${formatVkey(pinned)}`, `witness a ${a} https://a.example`, `witness b ${b}`]
  return format<TlogPolicy>({
    name: 'witness-policy',
    samples: [
      'quorum none',
      [...all, 'group both all a b', 'quorum both'].join('\n'),
      [...all, '# one of them', 'group g 1 a b', '', 'group h any g', 'quorum h'].join('\n'),
    ].map(bytes),
    garbage: lines,
    read: (input) => parseTlogPolicy(textOf(input)),
    meaning: ({ logs, witnesses, quorum }) => ({ logs, witnesses, quorum }),
    check: ({ witnesses, quorum, satisfiedBy }) => {
      if (!satisfiedBy(witnesses.map(({ verifier }) => verifier))) return 'all witnesses together are not enough'
      return quorum !== 'none' && satisfiedBy([]) ? 'no witness is enough' : undefined
    },
  })
}
