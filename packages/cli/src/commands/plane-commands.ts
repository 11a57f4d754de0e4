import { resolve } from 'node:path'
import { Fault, SERVICE_ROLES } from '@writ/contracts'
import { createPlane, type KeyReferences, planePaths } from '@writ/plane'
import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Act } from '../invocation.ts'

interface PlaneOptions {
  readonly dir: string
  readonly region: string
  readonly natsUrl: string
  readonly logName: string
  readonly logKey?: string
  readonly cosignKey?: string
  readonly wrapKey?: string
  readonly anchorKey?: readonly string[]
}

/** `writ plane create` */
export function addPlaneCommands(program: Command, act: Act): void {
  const plane = program.command('plane').description('The control plane itself.')
  const command = plane
    .command('create')
    .description('make the keys and settings of a plane, or find those that are there')
    .requiredOption('--dir <dir>', 'folder that keeps the operator’s keys')
    .requiredOption('--region <region>', 'the one jurisdiction it serves')
    .requiredOption('--nats-url <url>', 'where clients reach NATS')
    .requiredOption('--log-name <name>', 'name of the audit log, for example audit.example.com/eusc-de-east-1')
    .option('--log-key <key>', 'kms:<key ARN or alias> that signs the log; absent: a file is made')
    .option('--cosign-key <key>', 'another that signs the times of checkpoints; “file:” makes a file; absent: none')
    .option('--wrap-key <key>', 'symmetric kms:<key ARN or alias> that wraps subject keys; absent: a file is made')
    .option('--anchor-key <role=key...>', 'kms:<key ARN or alias> that is a role’s anchor; absent: a file is made')
    .action(
      act(async ({ out }, options) => {
        const { dir, region, natsUrl, logName, ...keys } = options as PlaneOptions
        const references = referencesOf(keys)
        const made = await createPlane({ dir, region, natsUrl, logName, ...(references && { keys: references }) })
        const { settings, nats } = planePaths(resolve(dir))
        const value = {
          ok: true,
          dir: made.dir,
          region: made.region,
          root_operator: made.rootOperatorId,
          log_vkey: made.logVkey,
          log_vkeys: made.trust.log_vkeys,
        }
        out.result(value, [
          `plane of ${made.region} in ${made.dir}`,
          `  settings        ${settings}`,
          `  NATS keys       ${nats}`,
          `  root operator   ${made.rootOperatorId}`,
          ...made.trust.log_vkeys.map((vkey) => `  log vkey        ${vkey}`),
        ])
      }),
    )
  examples(
    command,
    {
      run: 'writ plane create --dir /srv/writ --region eusc-de-east-1 --nats-url tls://bus.example:4222 --log-name audit.example/eusc-de-east-1',
      what: 'touches no server; `npm start` does all of it for a local plane',
    },
    {
      run: 'writ plane create --dir /srv/writ --region eusc-de-east-1 --nats-url tls://bus.example:4222 --log-name audit.example/eusc-de-east-1 --log-key kms:alias/writ-log --cosign-key kms:alias/writ-time --wrap-key kms:alias/writ-wrap --anchor-key audit-sink=kms:alias/writ-audit-sink',
      what: 'keys in AWS KMS: their public halves are read once and pinned',
    },
  )
}

function referencesOf({
  logKey,
  cosignKey,
  wrapKey,
  anchorKey = [],
}: Partial<PlaneOptions>): KeyReferences | undefined {
  const anchors = anchorKey.map((text): [string, string] => {
    const [role = '', ...key] = text.split('=')
    if (!SERVICE_ROLES.some((one) => one === role) || key.length === 0)
      throw new Fault('malformed', {
        message: `--anchor-key is <role>=<key>, with a role of ${SERVICE_ROLES.join(', ')}.`,
      })
    return [role, key.join('=')]
  })
  const references = {
    ...(logKey !== undefined && { log: logKey }),
    ...(cosignKey !== undefined && { cosign: cosignKey }),
    ...(wrapKey !== undefined && { wrap: wrapKey }),
    ...(anchors.length > 0 && { anchors: Object.fromEntries(anchors) }),
  }
  return Object.keys(references).length === 0 ? undefined : references
}
