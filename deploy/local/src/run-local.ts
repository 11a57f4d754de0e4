import { once } from 'node:events'
import { join } from 'node:path'
import { reasonOf } from '@writ/contracts'
import { keysIn } from './keys-in.ts'
import { preparePlant } from './plant/prepare-plant.ts'
import { type Stack, startStack } from './stack/stack.ts'
import { tellStory } from './story/tell-story.ts'

export interface LocalOptions {
  /** The repository's root. */
  readonly root: string
  /** `--once`: tell the story, stop, and exit 0 only if every step had the expected result. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly write: (text: string) => void
  readonly signal: AbortSignal
}

const REGION = 'eusc-de-east-1'

/** `npm start`: the stack, the plant, the story; then it stays up until it is told to stop. Returns the exit code. */
export async function runLocal(options: LocalOptions): Promise<number> {
  const { root, args, env, write, signal } = options
  const unknown = args.filter((arg) => arg !== '--once')
  if (unknown.length > 0) {
    write(`npm start takes --once only, not ${unknown.join(' ')}.\n`)
    return 2
  }
  const log = (line: string): void => write(`${line}\n`)
  try {
    const keys = keysIn(env)
    await using stack = await startStack({
      home: env['WRIT_HOME'] ?? join(root, '.writ'),
      root,
      env,
      region: REGION,
      log,
      ...(keys !== undefined && { keys }),
    })
    await preparePlant(stack, root, log)
    signal.throwIfAborted()
    const told = await tellStory(stack, log)
    if (args.includes('--once')) return told.asExpected ? 0 : 1
    log(whatNext(stack))
    if (!signal.aborted) await once(signal, 'abort')
    log('\nStopping …')
    return told.asExpected ? 0 : 1
  } catch (error) {
    if (signal.aborted) return 130
    const { code, message } = reasonOf(error)
    write(`\nIt did not work: ${message}\n`)
    if (code === 'internal') write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return 1
  }
}

function whatNext({ paths, store, operator }: Stack): string {
  return `
The plane stays up. In a second terminal:

  npx writ intent submit --agent maintenance --action telemetry-read --target press-07 \\
    --user u-anna --purpose "Have a look." --wait
  npx writ suspend agent maintenance --reason "Trying it out."     then: npx writ resume agent maintenance
  npx writ audit verify
  curl -s $(node -p "require('${paths.localJson}').services['token-issuer'].health_url")/metrics

Endpoints are in ${paths.localJson}, logs in ${join(paths.root, 'logs')}, the evidence in ${store.dir ?? store.url}.
You are operator ${operator.id}. Ctrl-C stops everything that was started here; \`npm run clean\` removes the plane.`
}
