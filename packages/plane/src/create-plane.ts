import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { Fault, Id, type PublicJwk, RECORD_KINDS, type RecordKind, SERVICE_ROLES, type Trust } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { generateJwk, publicJwk, readKeyFile } from '@writ/keys'
import { enrol } from './enrol.ts'
import { cosignerVkey, logVkey } from './log-vkey.ts'
import { natsKeys } from './nats-keys.ts'
import { type Plane, type PlaneReferences, planePaths } from './plane.ts'
import { assertDistinct, type KeyReferences, type PinnedKeys, pinKeys, pinnedKeys, referencesOf } from './plane-keys.ts'
import { makePrivateDirectory, readSecretFile, secretFile } from './secret-files.ts'
import { encodeCredentials } from './users.ts'

export interface PlaneOptions {
  /** Keys and settings go to `<dir>/provisioning`. */
  readonly dir: string
  readonly region: string
  /** Where clients reach NATS; may change later, the region may not. */
  readonly natsUrl: string
  /** Key name of the log's checkpoints, for example `writ.example/eusc-de-east-1`; fixed. */
  readonly logName: string
  readonly rootOperatorId?: string
  /** Record kinds whose commands need a second operator's signature. */
  readonly twoPerson?: readonly RecordKind[]
  /** Keys that are not files of `dir`; their public halves are read now, pinned, and never read again. Fixed. Absent: those that are known. */
  readonly keys?: KeyReferences
}

/** As in `plane.json`. */
interface Settings {
  readonly region: string
  readonly nats_url: string
  readonly log_name: string
  readonly root_operator: string
  readonly two_person: RecordKind[]
  readonly keys?: PinnedKeys
}

/**
 * Makes the keys and settings of a control plane, or finds those that are there: calling it again changes nothing but the
 * address and `twoPerson`. Touches no server. Throws Fault `malformed` when the directory holds another plane.
 */
export async function createPlane(options: PlaneOptions): Promise<Plane> {
  const dir = resolve(options.dir)
  const paths = planePaths(dir)
  const known = await readSettings(paths.settings)
  const wanted: Settings = {
    region: options.region,
    nats_url: options.natsUrl,
    log_name: options.logName,
    root_operator: options.rootOperatorId ?? known?.root_operator ?? 'root',
    two_person: [...(options.twoPerson ?? known?.two_person ?? [])],
  }
  for (const name of ['region', 'log_name', 'root_operator'] as const)
    if (known !== undefined && known[name] !== wanted[name])
      throw new Fault('malformed', { message: `${dir} holds a plane with another ${name}, which cannot be changed.` })
  const keys = await keysOf(dir, known, options.keys)
  const settings = checked(keys === undefined ? wanted : { ...wanted, keys })
  await makePrivateDirectory(resolve(dir, 'provisioning'))
  if (JSON.stringify(known) !== JSON.stringify(settings))
    await writeFileDurably(paths.settings, `${JSON.stringify(settings, null, 2)}\n`)
  const plane = await load(dir, settings)
  await enrol(plane, { kind: 'operator', id: plane.rootOperatorId, outDir: paths.rootOperator })
  return plane
}

async function keysOf(
  dir: string,
  known: Settings | undefined,
  wanted: KeyReferences | undefined,
): Promise<PinnedKeys | undefined> {
  if (known === undefined) return wanted && (await pinKeys(wanted))
  const same = JSON.stringify(referencesOf(known.keys ?? {})) === JSON.stringify(orderOf(wanted ?? {}))
  if (wanted === undefined || same) return known.keys
  throw new Fault('malformed', { message: `${dir} holds a plane with other keys, which cannot be changed.` })
}

const orderOf = ({ log, cosign, wrap, anchors = {} }: KeyReferences): KeyReferences => {
  const roles = Object.entries(anchors).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    ...(log !== undefined && { log }),
    ...(cosign !== undefined && { cosign }),
    ...(wrap !== undefined && { wrap }),
    ...(roles.length > 0 && { anchors: Object.fromEntries(roles) }),
  }
}

/** The plane that `createPlane` made. Throws Fault `unavailable` when there is none. */
export async function openPlane(directory: string): Promise<Plane> {
  const dir = resolve(directory)
  const settings = await readSettings(planePaths(dir).settings)
  if (settings === undefined)
    throw new Fault('unavailable', { message: `${dir} holds no plane; \`writ plane create\` makes one.` })
  return load(dir, settings)
}

async function readSettings(path: string): Promise<Settings | undefined> {
  const found = await readSecretFile(path)
  if (found === undefined) return undefined
  try {
    return checked(JSON.parse(found.toString('utf8')) as Settings)
  } catch (cause) {
    throw new Fault('unavailable', { message: `${path} is not what this tool wrote.`, cause })
  }
}

function checked(settings: Settings): Settings {
  const { region, nats_url, log_name, root_operator, two_person, keys } = settings
  const ids = [region, root_operator].every((id) => Id.safeParse(id).success)
  const texts = [nats_url, log_name].every((text) => typeof text === 'string' && /^[^\s+]+$/u.test(text))
  const kinds = Array.isArray(two_person) && two_person.every((kind) => RECORD_KINDS.includes(kind))
  if (ids && texts && kinds) {
    const plain = { region, nats_url, log_name, root_operator, two_person }
    return keys === undefined ? plain : { ...plain, keys: pinnedKeys(keys) }
  }
  throw new Fault('malformed', { message: 'A region, address, log name, operator id or record kind is not valid.' })
}

async function load(dir: string, settings: Settings): Promise<Plane> {
  const paths = planePaths(dir)
  const keys = await natsKeys(paths.nats)
  await secretFile(
    paths.storeCredentials,
    async () => (await encodeCredentials({ keys }, 'STORE', 'plane_store')).creds,
  )
  await secretFile(
    paths.systemCredentials,
    async () => (await encodeCredentials({ keys }, 'SYS', 'plane_system')).creds,
  )
  const { keys: elsewhere = {} } = settings
  if (elsewhere.wrap === undefined) await secretFile(paths.wrapKey, () => randomBytes(32))
  const { trust, vkeys } = await trustOf(dir, settings)
  return {
    dir,
    region: settings.region,
    natsUrl: settings.nats_url,
    logName: settings.log_name,
    logVkey: vkeys[0],
    twoPerson: settings.two_person,
    rootOperatorId: settings.root_operator,
    trust,
    keys,
    references: references(dir, elsewhere),
  }
}

async function trustOf(
  dir: string,
  { log_name, root_operator, two_person, keys = {} }: Settings,
): Promise<{ readonly trust: Trust; readonly vkeys: readonly [log: string, ...string[]] }> {
  const paths = planePaths(dir)
  const anchors = await Promise.all(
    SERVICE_ROLES.map(
      async (role) => [role, keys.anchors?.[role]?.jwk ?? (await keyFile(paths.anchorKey(role), 'ES256'))] as const,
    ),
  )
  const operators = { [root_operator]: await keyFile(paths.rootOperatorKey, 'ES256') }
  const log = keys.log?.jwk ?? (await keyFile(paths.logKey, 'EdDSA'))
  const cosign = keys.cosign === 'file:' ? await keyFile(paths.cosignKey, 'EdDSA') : keys.cosign?.jwk
  const cosigners = cosign === undefined ? [] : [cosign]
  assertDistinct([...anchors.map(([, jwk]) => jwk), ...Object.values(operators), log, ...cosigners])
  const vkeys = [logVkey(log_name, log), ...cosigners.map((jwk) => cosignerVkey(log_name, jwk))] as const
  const trust = { operators, anchors: Object.fromEntries(anchors), log_vkeys: [...vkeys], two_person: [...two_person] }
  return { trust, vkeys }
}

function references(dir: string, keys: PinnedKeys): PlaneReferences {
  const paths = planePaths(dir)
  const { log, cosign, wrap, anchors } = keys
  const cosignKey = cosign === 'file:' ? `file:${paths.cosignKey}` : cosign?.reference
  return {
    log: log?.reference ?? `file:${paths.logKey}`,
    ...(cosignKey !== undefined && { cosign: cosignKey }),
    wrap: wrap ?? `file:${paths.wrapKey}`,
    anchor: (role) => anchors?.[role]?.reference ?? `file:${paths.anchorKey(role)}`,
  }
}

/** The public half of a key file, made the first time. */
async function keyFile(path: string, algorithm: 'ES256' | 'EdDSA'): Promise<PublicJwk> {
  await secretFile(path, () => `${JSON.stringify(generateJwk(algorithm))}\n`)
  return publicJwk(await readKeyFile(path))
}
