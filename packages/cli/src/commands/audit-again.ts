import type { EvidenceLog, IntentStory } from '@writ/audit'
import { operatorSession } from '../context.ts'
import type { Invocation } from '../invocation.ts'
import { publishedBytes } from '../policy/active-policy.ts'
import { Bundles, type DecidedAgain, decideAgain } from '../policy/decide-again.ts'
import type { PlaceOptions } from './audit-place.ts'

export interface AgainOptions extends PlaceOptions {
  /** Files of policy bundles. */
  readonly bundle?: readonly string[]
}

/**
 * Decides the decisions of stories again. Bundles come from the files that were named and, where the plane opens documents too, from the plane;
 * a plane that does not answer keeps a trace from nothing but this.
 */
export async function decideStoriesAgain(
  invocation: Invocation,
  log: EvidenceLog,
  stories: readonly IntentStory[],
  { bundle = [], open, subjectKeys }: AgainOptions,
): Promise<ReadonlyMap<string, DecidedAgain>> {
  const decisions = new Map(
    stories.flatMap((story) => story.decisions.map(({ digest, decision }) => [digest, decision] as const)),
  )
  const fromPlane = async (sha256: string): Promise<Uint8Array | undefined> => {
    await using session = await operatorSession(await invocation.context())
    return await publishedBytes(session, sha256)
  }
  const bundles = await Bundles.open(bundle, open === true ? fromPlane : undefined)
  // Every decision rests on an intent, which is sealed: without keys there is nothing to look for.
  const sealed = { region: log.region, documents: async () => new Map<string, string>() }
  return await decideAgain(decisions, open === true || subjectKeys !== undefined ? log : sealed, bundles)
}

export function againText(again: DecidedAgain | undefined): string {
  switch (again?.state) {
    case undefined:
      return 'not tried'
    case 'same':
      return 'the same, by the same bundle on the same input'
    case 'different':
      return `DIFFERENT in ${again.changed.join(', ')}${again.decision === undefined ? ': it cannot be decided now' : `: ${again.decision.outcome.replace('_', ' ')}`}`
    case 'not possible':
      return `not possible, because ${again.why}`
  }
}
