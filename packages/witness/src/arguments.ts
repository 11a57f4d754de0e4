import { parseArgs } from 'node:util'
import { Fault } from '@writ/contracts'

export const USAGE = `writ-witness --name NAME --key FILE --state DIR --log VKEY [--log VKEY …] [--listen HOST:PORT]
writ-witness --name NAME --key FILE --vkey

Cosigns the checkpoints of logs (C2SP tlog-witness), each only if it continues what was cosigned before. Run it where the log's operator
has no say, and give its vkey to whoever verifies.

  --name NAME      the witness's name in signature lines: a schema-less URL, witness.example.com/w1
  --key FILE       its Ed25519 private key as JWK, mode 0600; made if it is not there. For nothing else but this witness
  --state DIR      where it remembers what it cosigned. Never restore it from a backup: a witness that forgets would cosign a fork
  --log VKEY       a log's key, of one epoch or of <domain>/<region> for all of them
  --listen H:P     127.0.0.1:8420 unless told otherwise
  --vkey           print this witness's vkey, for policy files, and end
`

export interface Arguments {
  readonly name: string
  readonly key: string
  readonly state: string
  readonly logs: readonly string[]
  readonly host: string
  readonly port: number
  readonly only: 'usage' | 'vkey' | undefined
}

/** Throws Fault `malformed` for arguments that a witness cannot start with. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parsed(args)
  const { name = '', key = '', state = '', log = [], listen = '127.0.0.1:8420', vkey = false, help = false } = values
  const at = /^(.+):(\d{1,5})$/.exec(listen)
  if (at === null || Number(at[2]) > 65_535) throw malformed(`--listen wants HOST:PORT, not ${listen}.`)
  const only = help ? 'usage' : vkey ? 'vkey' : undefined
  if (only !== 'usage' && (name === '' || key === '')) throw malformed('--name and --key are needed.')
  if (only === undefined && (state === '' || log.length === 0))
    throw malformed('--state and at least one --log are needed.')
  return { name, key, state, logs: log, host: (at[1] ?? '').replace(/^\[(.*)\]$/, '$1'), port: Number(at[2]), only }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        name: { type: 'string' },
        key: { type: 'string' },
        state: { type: 'string' },
        log: { type: 'string', multiple: true },
        listen: { type: 'string' },
        vkey: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'These arguments are not known.', cause)
  }
}

function malformed(message: string, cause?: unknown): Fault {
  return new Fault('malformed', { message, cause })
}
