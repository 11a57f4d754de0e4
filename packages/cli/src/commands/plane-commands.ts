import { resolve } from 'node:path'
import { createPlane, planePaths } from '@writ/plane'
import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Act } from '../invocation.ts'

interface PlaneOptions {
  readonly dir: string
  readonly region: string
  readonly natsUrl: string
  readonly logName: string
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
    .action(
      act(async ({ out }, options) => {
        const { dir, region, natsUrl, logName } = options as PlaneOptions
        const made = await createPlane({ dir, region, natsUrl, logName })
        const { settings, nats } = planePaths(resolve(dir))
        const value = {
          ok: true,
          dir: made.dir,
          region: made.region,
          root_operator: made.rootOperatorId,
          log_vkey: made.logVkey,
        }
        out.result(value, [
          `plane of ${made.region} in ${made.dir}`,
          `  settings        ${settings}`,
          `  NATS keys       ${nats}`,
          `  root operator   ${made.rootOperatorId}`,
          `  log vkey        ${made.logVkey}`,
        ])
      }),
    )
  examples(command, {
    run: 'writ plane create --dir /srv/writ --region eusc-de-east-1 --nats-url tls://bus.example:4222 --log-name audit.example/eusc-de-east-1',
    what: 'touches no server; `npm start` does all of it for a local plane',
  })
}
