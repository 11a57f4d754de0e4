import { isFault } from '@writ/contracts'
import type { Command } from 'commander'
import { adviceFor } from '../advice.ts'
import type { Finding } from '../doctor/finding.ts'
import { type DoctorOptions, runDoctor } from '../doctor/run-doctor.ts'
import { EXIT } from '../exit-codes.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { type Line, type Style, styled } from '../terminal/style.ts'

/** `writ doctor` */
export function addDoctorCommands(program: Command, act: Act): void {
  const command = program
    .command('doctor')
    .description('what is wrong with this machine or enrolment, and how to mend it')
    .option('--enrolment <dir>', 'look at this enrolment package instead of the context’s')
    .action(act((invocation, options) => doctor(invocation, (options as { enrolment?: string }).enrolment)))
  examples(
    command,
    'writ doctor',
    { run: 'writ doctor --enrolment agents/line-2', what: 'why an agent cannot connect or is refused' },
    { run: "writ doctor --json | jq -c '.findings[]'", what: 'ends with 4 when something must be mended' },
  )
  command.addHelpText('after', '\nChanges nothing, and shows no secret.')
}

async function doctor(invocation: Invocation, enrolment: string | undefined): Promise<void> {
  const { out, env, fail } = invocation
  const findings: Finding[] = []
  const options: DoctorOptions = {
    env,
    nodeVersion: process.versions.node,
    context: await contextOrProblem(invocation),
    ...(enrolment !== undefined && { enrolment }),
  }
  for await (const finding of runDoctor(options)) {
    findings.push(finding)
    for (const line of linesOf(finding)) out.note(line)
  }
  const [fails, warns] = (['fail', 'warn'] as const).map(
    (grade) => findings.filter((each) => each.grade === grade).length,
  )
  out.result({ ok: fails === 0, findings }, ['', sentence(fails ?? 0, warns ?? 0)])
  if (fails !== 0) fail(EXIT.unavailable)
}

async function contextOrProblem({ context }: Invocation): Promise<DoctorOptions['context']> {
  try {
    return await context()
  } catch (error) {
    if (!isFault(error)) throw error
    return { problem: error.message, next: adviceFor(error) }
  }
}

const STYLES: Readonly<Record<Finding['grade'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' }

function linesOf({ check, grade, found, mend }: Finding): readonly Line[] {
  return [
    [styled(STYLES[grade], grade.padEnd(5)), styled('dim', check.padEnd(24)), found],
    ...(mend === undefined ? [] : [[' '.repeat(29), styled('bold', '→ '), mend]]),
  ]
}

function sentence(fails: number, warns: number): Line {
  if (fails > 0)
    return styled(
      'red',
      `${fails === 1 ? 'One thing is' : `${fails} things are`} wrong; the arrow says how to mend it.`,
    )
  if (warns > 0)
    return styled('yellow', `It works; ${warns === 1 ? 'one thing needs' : `${warns} things need`} a look.`)
  return styled('green', 'All is well.')
}
