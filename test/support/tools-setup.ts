import { resolveTool, type ToolName } from '@writ/tools'

/** Before any system test: what takes minutes on a fresh machine is found or installed here, under no test's time limit. */
export async function setup(): Promise<void> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const find = (name: ToolName) => resolveTool(name, { env: process.env, log })
  await find('nats-server')
  await find('redis-server')
  // Without opa the tests that need it are skipped and say so; in CI they fail.
  await find('opa').catch((error: unknown) => log(String(error)))
}
