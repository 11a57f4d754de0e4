import { Fault } from '@writ/contracts'
import { NOTE_COSIGNATURE, type NoteVerifier, parseVkey } from './note-key.ts'

// C2SP tlog-policy: which logs are believed, which witnesses are known, and how many of those must have cosigned.

const LINES_MAX = 10_000
const TEXT_CHARACTERS_MAX = 1_000_000
const NONE = 'none'

export interface PolicyLog {
  readonly verifier: NoteVerifier
  readonly url?: string
}

export interface PolicyWitness {
  /** Of the policy file alone: what groups and the quorum call it. */
  readonly name: string
  readonly verifier: NoteVerifier
  /** Submission prefix (C2SP tlog-witness). */
  readonly url?: string
}

export interface TlogPolicy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** Whether cosignatures of these witnesses, by their keys, are enough. */
  readonly satisfiedBy: (cosigned: readonly NoteVerifier[]) => boolean
  /** In words, for reports: `none`, or a name of the policy file. */
  readonly quorum: string
}

interface Member {
  readonly satisfied: (cosigned: ReadonlySet<string>) => boolean
}

/** Throws Fault `malformed` for anything that is not a policy file, naming the line. */
export function parseTlogPolicy(text: string): TlogPolicy {
  if (text.length > TEXT_CHARACTERS_MAX) throw malformed(0, 'the file is too long')
  const reading = new PolicyReading()
  const lines = text.split('\n')
  if (lines.length > LINES_MAX) throw malformed(0, 'the file has too many lines')
  for (const [at, line] of lines.entries()) reading.line(line, at + 1)
  return reading.result()
}

class PolicyReading {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #members = new Map<string, Member>()
  /** Each name may stand in one group only, so that a witness counts once. */
  readonly #grouped = new Set<string>()
  #quorum: { readonly name: string; readonly member: Member } | undefined
  #at = 0

  line(line: string, at: number): void {
    this.#at = at
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the specification forbids
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) throw this.#malformed('it holds a control character')
    const [keyword, ...rest] = line.split(/[ \t]+/).filter((word) => word !== '')
    if (keyword === undefined || keyword.startsWith('#')) return
    if (keyword === 'log') this.#log(rest)
    else if (keyword === 'witness') this.#witness(rest)
    else if (keyword === 'group') this.#group(rest)
    else if (keyword === 'quorum') this.#setQuorum(rest)
    else throw this.#malformed(`it begins with none of log, witness, group and quorum`)
  }

  result(): TlogPolicy {
    const quorum = this.#quorum
    if (quorum === undefined) throw malformed(this.#at, 'there is no quorum line before its end')
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      quorum: quorum.name,
      satisfiedBy: (cosigned) => quorum.member.satisfied(new Set(cosigned.map(formOf))),
    }
  }

  #log([vkey, url, ...more]: readonly string[]): void {
    const verifier = this.#key(vkey, more)
    if (verifier.type === NOTE_COSIGNATURE) throw this.#malformed('a log cannot have a key that only cosigns')
    if (this.#logs.some((log) => sameKey(log.verifier, verifier))) throw this.#malformed('the log’s key is there twice')
    this.#logs.push({ verifier, ...(url !== undefined && { url }) })
  }

  #witness([name = '', vkey, url, ...more]: readonly string[]): void {
    const verifier = this.#key(vkey, more)
    if (verifier.type !== NOTE_COSIGNATURE) throw this.#malformed('a witness needs a key that cosigns (type 0x04)')
    if (this.#witnesses.some((witness) => sameKey(witness.verifier, verifier)))
      throw this.#malformed('the witness’s key is there twice')
    this.#define(name, { satisfied: (cosigned) => cosigned.has(formOf(verifier)) })
    this.#witnesses.push({ name, verifier, ...(url !== undefined && { url }) })
  }

  #group([name = '', threshold = '', ...names]: readonly string[]): void {
    const members = names.map((member) => this.#member(member))
    for (const member of names) {
      if (this.#grouped.has(member)) throw this.#malformed(`${member} is in a group already`)
      this.#grouped.add(member)
    }
    const needed = this.#threshold(threshold, members.length)
    this.#define(name, {
      satisfied: (cosigned) => members.filter((member) => member.satisfied(cosigned)).length >= needed,
    })
  }

  #threshold(text: string, members: number): number {
    const needed = text === 'all' ? members : text === 'any' ? 1 : /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0
    if (members === 0 || needed < 1 || needed > members)
      throw this.#malformed('a group needs members, and a threshold of all, any or a number of them')
    return needed
  }

  #setQuorum([name = '', ...more]: readonly string[]): void {
    if (more.length > 0 || name === '') throw this.#malformed('a quorum is one name')
    if (this.#quorum !== undefined) throw this.#malformed('there is a quorum already')
    this.#quorum = { name, member: name === NONE ? { satisfied: () => true } : this.#member(name) }
  }

  #define(name: string, member: Member): void {
    if (name === '' || name === NONE || this.#members.has(name)) throw this.#malformed('its name is taken or reserved')
    this.#members.set(name, member)
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw this.#malformed(`${name} is not defined above it`)
    return member
  }

  #key(vkey: string | undefined, more: readonly string[]): NoteVerifier {
    if (vkey === undefined || more.length > 0) throw this.#malformed('it has too few or too many words')
    try {
      return parseVkey(vkey)
    } catch (cause) {
      throw this.#malformed('its key is no vkey of a type that is known here', cause)
    }
  }

  #malformed(why: string, cause?: unknown): Fault {
    return malformed(this.#at, why, cause)
  }
}

/** Name and key id are how a note names a key, and the key itself is what it is. */
const formOf = ({ name, keyId, publicKey }: NoteVerifier): string =>
  `${name}\n${keyId}\n${Buffer.from(publicKey).toString('hex')}`

const sameKey = (a: NoteVerifier, b: NoteVerifier): boolean => Buffer.compare(a.publicKey, b.publicKey) === 0

function malformed(line: number, why: string, cause?: unknown): Fault {
  return new Fault('malformed', { message: `Not a witness policy: line ${line}: ${why}.`, cause })
}
