import { resolveTool, type ToolName } from '@writ/tools'

/** Before any system test: what takes minutes on a fresh machine is found or installed here, under no test's time limit. */
export async function setup(): Promise<void> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const find = (name: ToolName) => resolveTool(name, { env: process.env, log })
  await find('nats-server')
  await find('redis-server')
  // Without these the tests that need them are skipped and say so; in CI they fail.
  for (const name of ['opa', 'versitygw', 'minio', 'moto_server', 'tessera-fsck'] as const)
    await find(name).catch((error: unknown) => log(String(error)))
}
