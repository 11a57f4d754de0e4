import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Act } from '../invocation.ts'
import { list, wholeNumber } from '../options.ts'
import { diffPolicy } from './policy-diff.ts'
import { type EvalOptions, evalPolicy } from './policy-eval.ts'
import { showHistory } from './policy-history.ts'
import { type PublishOptions, publishPolicy } from './policy-publish.ts'
import { type RecordedFlags, recorded } from './policy-recorded.ts'
import { type RollbackOptions, rollBackPolicy } from './policy-rollback.ts'
import { testPolicy } from './policy-test.ts'
import { filing } from './signing-options.ts'

const PATH = 'a folder of policies, or a built bundle.tar.gz (default: policies)'

/** `writ policy eval|test|diff|publish|rollback|history` */
export function addPolicyCommands(program: Command, act: Act): void {
  const policy = program.command('policy').description('What is allowed: try it, test it, publish it, take it back.')
  addEval(policy, act)
  examples(
    policy
      .command('test')
      .description('run the tests that policies bring: golden decisions, and of a folder OPA’s own')
      .argument('[path]', PATH)
      .action(act((invocation, path) => testPolicy(invocation, path as string | undefined))),
    'writ policy test',
    { run: 'writ policy test bundle.tar.gz', what: 'A built bundle carries its golden decisions; it needs no OPA.' },
  )
  examples(
    recorded(
      policy
        .command('diff')
        .description('what policies would change: sources, golden decisions, and decisions that were really taken')
        .argument('[path]', PATH),
    ).action(
      act((invocation, path, options) => diffPolicy(invocation, path as string | undefined, options as RecordedFlags)),
    ),
    { run: 'writ policy diff', what: 'Compares with the active bundle, and decides every recorded decision again.' },
    'writ policy diff bundle.tar.gz --limit 500 --json',
  )
  addPublish(policy, act)
  examples(
    policy
      .command('history')
      .description('every version of the active policy: who filed it, when, why, and which bundle it names')
      .action(act((invocation) => showHistory(invocation))),
    'writ policy history',
  )
}

function addEval(policy: Command, act: Act): void {
  examples(
    policy
      .command('eval')
      .description('what would be decided about an intent, by which rules, and what would change it; nothing is sent')
      .requiredOption('--agent <id>', 'the agent that would ask')
      .requiredOption('--action <action>', 'for example restart')
      .requiredOption('--target <devices>', 'devices, comma separated', list)
      .requiredOption('--user <user>', 'on whose behalf')
      .option('--params <file>', 'JSON object of parameters')
      .option('--bundle <path>', 'policies to ask instead of the active ones: a bundle, or a folder')
      .option('--now <time>', 'decide as at this time: 2026-01-31T22:00:00Z, or seconds since 1970')
      .option('--state <file>', 'JSON: states to assume by device, {"press-07": {"mode": "idle"}}')
      .option('--as <dir>', 'enrolment package of an operator (default: the context’s)')
      .addHelpText(
        'after',
        '\nIt is decided here, on the records in force and, where the plane’s folder is at hand, on what devices last reported.\nEnds with 3 when the answer is no.',
      )
      .action(act((invocation, options) => evalPolicy(invocation, options as EvalOptions))),
    'writ policy eval --agent maintenance --action restart --target press-07 --user u-anna',
    {
      run: 'writ policy eval --agent maintenance --action firmware-update --target press-07 --user u-anna --params firmware.json --now 2026-01-31T22:30:00Z',
      what: 'Would the maintenance window be open then?',
    },
  )
}

function addPublish(policy: Command, act: Act): void {
  examples(
    recorded(
      filing(
        policy
          .command('publish')
          .description('test policies, show which decisions change, publish them, and wait until they decide')
          .argument('[path]', PATH),
        'Published with the command line.',
      ),
    )
      .option('--dry-run', 'stop before anything is published')
      .option('--no-replay', 'publish without deciding recorded decisions again')
      .addHelpText(
        'after',
        '\nPolicies that fail a test of their own, or bring none, are refused. So is publishing where the log of the plane is not at hand: --store says where,\n--no-replay does without.',
      )
      .action(
        act((invocation, path, options) =>
          publishPolicy(invocation, path as string | undefined, options as PublishOptions),
        ),
      ),
    { run: 'writ policy publish --reason "Speeds up to 900 mm/s, change 4711"', what: 'Builds and tests ./policies.' },
    'writ policy publish bundle.tar.gz --dry-run',
  )
  examples(
    filing(
      policy
        .command('rollback')
        .description('make the bundle of an earlier version active again, as a new version')
        .argument('[version]', 'which (default: the last one with another bundle)', wholeNumber),
      'Rolled back with the command line.',
    )
      .option('--force', 'also a bundle that does not meet its golden decisions today')
      .action(
        act((invocation, version, options) =>
          rollBackPolicy(invocation, version as number | undefined, options as RollbackOptions),
        ),
      ),
    'writ policy rollback',
    'writ policy rollback 3 --reason "Presses stopped, change 4711"',
  )
}
