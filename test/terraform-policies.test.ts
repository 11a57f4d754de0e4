import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Call, decide, renderTemplate, statementsOf } from './support/iam.ts'

const MODULE = new URL('../deploy/terraform/sovereign-audit/', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, MODULE), 'utf8')

const role = (name: string): string => `arn:aws-eusc:iam::111111111111:role/${name}`
const BUCKET = 'arn:aws-eusc:s3:::writ-audit-eu'
const SINK = role('writ-audit-eu-sink')
const AUDITOR = role('writ-audit-eu-auditor')
const HOLDER = role('writ-audit-eu-legal-hold')
const GATEWAY = role('writ-audit-eu-intent-gateway')
const ADMIN = role('administrator')
const ROOT = 'arn:aws-eusc:iam::111111111111:root'
const STRANGER = 'arn:aws-eusc:iam::222222222222:role/somebody'

const bucketPolicy = (key_prefix: string): unknown =>
  renderTemplate(read('policies/bucket.json.tftpl'), {
    bucket_arn: BUCKET,
    key_prefix,
    sink_role_arn: SINK,
    auditor_role_arn: AUDITOR,
    legal_hold_role_arn: HOLDER,
    intent_gateway_role_arn: GATEWAY,
    full_days_min: '189',
    short_days_min: '29',
    retention_days_max: '2284',
  })
const signingPolicy = renderTemplate(read('policies/signing-key.json.tftpl'), {
  sink_role_arn: SINK,
  auditor_role_arn: AUDITOR,
  key_administrator_arns: [ADMIN],
  signing_algorithm: 'ED25519_SHA_512',
})
const wrapPolicy = renderTemplate(read('policies/wrap-key.json.tftpl'), {
  intent_gateway_role_arn: GATEWAY,
  key_administrator_arns: [ADMIN],
})
const trustPolicy = renderTemplate(read('policies/trust.json.tftpl'), { principal_arns: [STRANGER] })

const TLS = { 'aws:SecureTransport': 'true', 's3:TlsVersion': '1.3' }
/** A write as the sink makes it. */
const WRITE = {
  ...TLS,
  's3:if-none-match': '*',
  's3:object-lock-mode': 'COMPLIANCE',
  's3:object-lock-remaining-retention-days': '190',
  's3:x-amz-content-sha256': '0f1e2d',
}
const without = (context: Record<string, string>, ...keys: string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(context).filter(([key]) => !keys.includes(key)))
const REPLACE = { ...without(WRITE, 's3:if-none-match'), 's3:if-match': '"etag"' }

const TILE = 'audit.example/eusc-de-east-1/2026h2/tile/0/000'
const PARTIAL = 'audit.example/eusc-de-east-1/2026h2/tile/0/000.p/112'
const STAGED = 'audit.example/eusc-de-east-1/2026h2.meta/staging/abc'
const WORD = 'audit.example/eusc-de-east-1/2026h2.meta/holds/000000000001'
const CHECKPOINT = 'audit.example/eusc-de-east-1/2026h2/checkpoint'

interface Asked {
  readonly who?: string | undefined
  readonly key?: string
  readonly context?: Record<string, string>
}
type Row = readonly [what: string, action: string, asked: Asked, decidedBy: string]

const callOf = (action: string, { who, context = TLS }: Asked, resource: string): Call => ({
  action,
  resource,
  principal: who,
  own: who === ADMIN || who === ROOT ? 'everything' : 'nothing',
  context,
})

describe.each(['log/', ''])('the bucket policy of a store under %j', (prefix) => {
  const policy = bucketPolicy(prefix)
  const ask = (action: string, asked: Asked) => {
    const resource = asked.key === undefined ? BUCKET : `${BUCKET}/${prefix}${asked.key}`
    return decide(policy, callOf(action, asked, resource), { ownCounts: true })
  }

  const ALLOWED: readonly Row[] = [
    [
      'the sink writes a tile for the full period',
      's3:PutObject',
      { who: SINK, key: TILE, context: WRITE },
      'SinkWrites',
    ],
    [
      'the sink writes a partial tile for the short one',
      's3:PutObject',
      { who: SINK, key: PARTIAL, context: { ...WRITE, 's3:object-lock-remaining-retention-days': '30' } },
      'SinkWrites',
    ],
    [
      'the sink stages a batch for the short one, a moment late',
      's3:PutObject',
      { who: SINK, key: STAGED, context: { ...WRITE, 's3:object-lock-remaining-retention-days': '29' } },
      'SinkWrites',
    ],
    [
      'the sink writes a probe for a day',
      's3:PutObject',
      { who: SINK, key: '.probe/ab/overwrite', context: { ...WRITE, 's3:object-lock-remaining-retention-days': '0' } },
      'SinkWrites',
    ],
    [
      'the self-test try a stale replacement',
      's3:PutObject',
      {
        who: SINK,
        key: '.probe/ab/stale_replace/checkpoint',
        context: { ...REPLACE, 's3:object-lock-remaining-retention-days': '1' },
      },
      'SinkWrites',
    ],
    [
      'the self-test prolong a probe',
      's3:PutObjectRetention',
      {
        who: SINK,
        key: '.probe/ab/extend_retention',
        context: { ...TLS, 's3:object-lock-mode': 'COMPLIANCE', 's3:object-lock-remaining-retention-days': '1' },
      },
      'SinkWrites',
    ],
    [
      'the sink creates the first checkpoint',
      's3:PutObject',
      { who: SINK, key: CHECKPOINT, context: WRITE },
      'SinkWrites',
    ],
    [
      'the sink replaces the checkpoint it has read',
      's3:PutObject',
      { who: SINK, key: CHECKPOINT, context: REPLACE },
      'SinkWrites',
    ],
    [
      'the sink prolongs a lock',
      's3:PutObjectRetention',
      { who: SINK, key: TILE, context: without(WRITE, 's3:if-none-match', 's3:x-amz-content-sha256') },
      'SinkWrites',
    ],
    ['the sink reads a version', 's3:GetObjectVersion', { who: SINK, key: TILE }, 'ReadersReadObjects'],
    ['the sink lists versions', 's3:ListBucketVersions', { who: SINK }, 'ReadersReadBucket'],
    ['the sink asks for the lock', 's3:GetBucketObjectLockConfiguration', { who: SINK }, 'ReadersReadBucket'],
    ['the sink asks for versioning', 's3:GetBucketVersioning', { who: SINK }, 'ReadersReadBucket'],
    ['an auditor reads', 's3:GetObject', { who: AUDITOR, key: TILE }, 'ReadersReadObjects'],
    ['an auditor reads retention', 's3:GetObjectRetention', { who: AUDITOR, key: TILE }, 'ReadersReadObjects'],
    ['an auditor lists', 's3:ListBucket', { who: AUDITOR }, 'ReadersReadBucket'],
    ['a holder holds', 's3:PutObjectLegalHold', { who: HOLDER, key: TILE }, 'HoldersHold'],
    ['a holder says why', 's3:PutObject', { who: HOLDER, key: WORD, context: WRITE }, 'HoldersSayWhy'],
    ['intent-gateway asks for holds', 's3:GetObjectLegalHold', { who: GATEWAY, key: TILE }, 'ReadersReadObjects'],
  ]
  test.each(ALLOWED)('lets %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: true, by })
  })

  const days = (value: string) => ({ ...WRITE, 's3:object-lock-remaining-retention-days': value })
  const DENIED: readonly Row[] = [
    [
      'the sink overwrite',
      's3:PutObject',
      { who: SINK, key: TILE, context: without(WRITE, 's3:if-none-match') },
      'EveryWriteIsConditional',
    ],
    ['the sink replace a tile', 's3:PutObject', { who: SINK, key: TILE, context: REPLACE }, 'OnlyCheckpointIsReplaced'],
    [
      'the sink overwrite the checkpoint unseen',
      's3:PutObject',
      { who: SINK, key: CHECKPOINT, context: without(WRITE, 's3:if-none-match') },
      'EveryWriteIsConditional',
    ],
    [
      'a copy of the checkpoint be replaced',
      's3:PutObject',
      { who: SINK, key: 'x/2026h2.meta/checkpoints/00000000000000000001', context: REPLACE },
      'OnlyCheckpointIsReplaced',
    ],
    [
      'the sink write without a lock',
      's3:PutObject',
      {
        who: SINK,
        key: TILE,
        context: without(WRITE, 's3:object-lock-mode', 's3:object-lock-remaining-retention-days'),
      },
      'EverythingIsUnderCompliance',
    ],
    [
      'the sink write under GOVERNANCE',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 's3:object-lock-mode': 'GOVERNANCE' } },
      'EverythingIsUnderCompliance',
    ],
    [
      'the sink write with a mode and no end',
      's3:PutObject',
      { who: SINK, key: TILE, context: without(WRITE, 's3:object-lock-remaining-retention-days') },
      'NothingIsWrittenWithoutRetention',
    ],
    [
      'the sink lock a tile for the short period',
      's3:PutObject',
      { who: SINK, key: TILE, context: days('30') },
      'EvidenceIsKeptForTheFullPeriod',
    ],
    [
      'the sink lock the checkpoint for less',
      's3:PutObject',
      { who: SINK, key: CHECKPOINT, context: { ...REPLACE, 's3:object-lock-remaining-retention-days': '188' } },
      'EvidenceIsKeptForTheFullPeriod',
    ],
    [
      'the sink lock a partial tile for a week',
      's3:PutObject',
      { who: SINK, key: PARTIAL, context: days('7') },
      'PassingObjectsAreKeptForTheShortPeriod',
    ],
    [
      'the sink lock for seventy years',
      's3:PutObject',
      { who: SINK, key: TILE, context: days('25567') },
      'NothingIsKeptForLongerThanTheBound',
    ],
    [
      'the sink prolong to seventy years',
      's3:PutObjectRetention',
      { who: SINK, key: TILE, context: without(days('25567'), 's3:if-none-match') },
      'NothingIsKeptForLongerThanTheBound',
    ],
    [
      'the sink turn a lock to GOVERNANCE',
      's3:PutObjectRetention',
      {
        who: SINK,
        key: TILE,
        context: { ...TLS, 's3:object-lock-mode': 'GOVERNANCE', 's3:object-lock-remaining-retention-days': '190' },
      },
      'EverythingIsUnderCompliance',
    ],
    ['the sink clear a lock', 's3:PutObjectRetention', { who: SINK, key: TILE }, 'EverythingIsUnderCompliance'],
    [
      'the sink send an unsigned body',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 's3:x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      'BodiesAreSignedWithTheirSha256',
    ],
    [
      'the sink stream an unsigned body',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 's3:x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' } },
      'BodiesAreSignedWithTheirSha256',
    ],
    [
      'the sink encrypt with a KMS key',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 's3:x-amz-server-side-encryption': 'aws:kms' } },
      'EncryptionIsTheBucketsOwn',
    ],
    [
      'the sink encrypt with a key of its own',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 's3:x-amz-server-side-encryption-customer-algorithm': 'AES256' } },
      'NoKeyOfTheCallerEncrypts',
    ],
    [
      'the sink come without TLS',
      's3:PutObject',
      { who: SINK, key: TILE, context: { ...WRITE, 'aws:SecureTransport': 'false' } },
      'TlsOnly',
    ],
    [
      'an auditor come without TLS',
      's3:GetObject',
      { who: AUDITOR, key: TILE, context: { 'aws:SecureTransport': 'false' } },
      'TlsOnly',
    ],
    [
      'an auditor come with TLS 1.1',
      's3:GetObject',
      { who: AUDITOR, key: TILE, context: { ...TLS, 's3:TlsVersion': '1.1' } },
      'ModernTlsOnly',
    ],
    ['an auditor write', 's3:PutObject', { who: AUDITOR, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    ['an administrator write', 's3:PutObject', { who: ADMIN, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    ['the root write', 's3:PutObject', { who: ROOT, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    ['an administrator prolong', 's3:PutObjectRetention', { who: ADMIN, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    ['the sink hold', 's3:PutObjectLegalHold', { who: SINK, key: TILE }, 'OnlyHoldersHold'],
    ['an administrator lift a hold', 's3:PutObjectLegalHold', { who: ADMIN, key: TILE }, 'OnlyHoldersHold'],
    [
      'the sink write beside its prefix, if that is one',
      's3:PutObject',
      { who: STRANGER, key: TILE, context: WRITE },
      'OnlySinkWrites',
    ],
    ['a stranger read', 's3:GetObject', { who: STRANGER, key: TILE }, 'default'],
    ['a stranger list', 's3:ListBucket', { who: STRANGER }, 'default'],
    ['anybody read without a name', 's3:GetObject', { who: undefined, key: TILE }, 'default'],
    ['a holder write evidence', 's3:PutObject', { who: HOLDER, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    [
      'the sink say that a hold has ended',
      's3:PutObject',
      { who: SINK, key: WORD, context: WRITE },
      'OnlyHoldersSayWhy',
    ],
    ['an administrator say so', 's3:PutObject', { who: ADMIN, key: WORD, context: WRITE }, 'OnlyHoldersSayWhy'],
    ['intent-gateway write', 's3:PutObject', { who: GATEWAY, key: TILE, context: WRITE }, 'OnlySinkWrites'],
    ['intent-gateway hold', 's3:PutObjectLegalHold', { who: GATEWAY, key: TILE }, 'OnlyHoldersHold'],
  ]
  test.each(DENIED)('does not let %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: false, by })
  })

  const EVERYBODY = [SINK, AUDITOR, HOLDER, GATEWAY, ADMIN, ROOT, STRANGER, undefined]
  test.each(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:BypassGovernanceRetention'])(
    'lets nobody %s',
    (action) => {
      for (const who of EVERYBODY)
        for (const key of [TILE, CHECKPOINT, STAGED, '.probe/ab/overwrite'])
          expect(ask(action, { who, key })).toEqual({ allowed: false, by: 'NobodyDeletes' })
    },
  )

  test.each([
    ['s3:DeleteBucket', 'NobodyDeletes'],
    ['s3:PutBucketVersioning', 'NobodyLoosens'],
    ['s3:PutBucketObjectLockConfiguration', 'NobodyLoosens'],
    ['s3:PutLifecycleConfiguration', 'NobodyLoosens'],
    ['s3:PutReplicationConfiguration', 'NobodyLoosens'],
    ['s3:PutEncryptionConfiguration', 'NobodyLoosens'],
    ['s3:PutBucketPublicAccessBlock', 'NobodyLoosens'],
    ['s3:PutBucketPolicy', 'NobodyLoosens'],
    ['s3:DeleteBucketPolicy', 'NobodyLoosens'],
  ])('lets nobody %s', (action, by) => {
    for (const who of EVERYBODY) expect(ask(action, { who })).toEqual({ allowed: false, by })
  })

  test.each(['s3:PutObjectAcl', 's3:PutObjectVersionAcl', 's3:ReplicateDelete', 's3:ReplicateObject'])(
    'lets nobody %s',
    (action) => {
      for (const who of EVERYBODY)
        expect(ask(action, { who, key: TILE })).toEqual({ allowed: false, by: 'NobodyChangesAccessOfObjects' })
    },
  )
})

test('a sink writes only under its prefix', () => {
  const call = callOf('s3:PutObject', { who: SINK, context: WRITE }, `${BUCKET}/elsewhere/a`)
  expect(decide(bucketPolicy('log/'), call, { ownCounts: true })).toEqual({ allowed: false, by: 'default' })
})

describe('the policy of a signing key', () => {
  const SIGN = { 'kms:SigningAlgorithm': 'ED25519_SHA_512', 'kms:MessageType': 'RAW' }
  const ask = (action: string, asked: Asked) =>
    decide(signingPolicy, callOf(action, asked, 'arn:aws-eusc:kms:eusc-de-east-1:111111111111:key/k'), {
      ownCounts: false,
    })

  test.each<Row>([
    ['the sink sign', 'kms:Sign', { who: SINK, context: SIGN }, 'SinkSigns'],
    ['the sink read the public key', 'kms:GetPublicKey', { who: SINK }, 'SinkAndAuditorsReadTheKey'],
    ['the sink describe it', 'kms:DescribeKey', { who: SINK }, 'SinkAndAuditorsReadTheKey'],
    ['an auditor read the public key', 'kms:GetPublicKey', { who: AUDITOR }, 'SinkAndAuditorsReadTheKey'],
    ['an administrator disable it in need', 'kms:DisableKey', { who: ADMIN }, 'AdministratorsManage'],
    ['an administrator change its policy', 'kms:PutKeyPolicy', { who: ADMIN }, 'AdministratorsManage'],
  ])('lets %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: true, by })
  })

  test.each<Row>([
    ['the sink sign a digest', 'kms:Sign', { who: SINK, context: { ...SIGN, 'kms:MessageType': 'DIGEST' } }, 'default'],
    [
      'the sink sign in another way',
      'kms:Sign',
      { who: SINK, context: { ...SIGN, 'kms:SigningAlgorithm': 'ED25519_PH_SHA_512' } },
      'default',
    ],
    ['an administrator sign', 'kms:Sign', { who: ADMIN, context: SIGN }, 'OnlySinkSigns'],
    ['the root sign', 'kms:Sign', { who: ROOT, context: SIGN }, 'OnlySinkSigns'],
    ['an auditor sign', 'kms:Sign', { who: AUDITOR, context: SIGN }, 'OnlySinkSigns'],
    ['a stranger sign', 'kms:Sign', { who: STRANGER, context: SIGN }, 'OnlySinkSigns'],
    ['the sink disable it', 'kms:DisableKey', { who: SINK }, 'default'],
    ['the sink change its policy', 'kms:PutKeyPolicy', { who: SINK }, 'default'],
    ['the root change its policy', 'kms:PutKeyPolicy', { who: ROOT }, 'default'],
    ['a stranger read it', 'kms:GetPublicKey', { who: STRANGER }, 'default'],
  ])('does not let %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: false, by })
  })

  test.each(['kms:ScheduleKeyDeletion', 'kms:ReplicateKey', 'kms:CreateGrant', 'kms:UpdatePrimaryRegion'])(
    'lets nobody %s',
    (action) => {
      for (const who of [SINK, AUDITOR, ADMIN, ROOT, STRANGER])
        expect(ask(action, { who })).toEqual({ allowed: false, by: 'NobodyDeletesCopiesOrLends' })
    },
  )
})

describe('the policy of the wrapping key', () => {
  const NAMED = { 'kms:EncryptionContext:writ': 'subject-key' }
  const ask = (action: string, asked: Asked) =>
    decide(wrapPolicy, callOf(action, asked, 'arn:aws-eusc:kms:eusc-de-east-1:111111111111:key/w'), {
      ownCounts: false,
    })

  test.each<Row>([
    ['intent-gateway wrap', 'kms:Encrypt', { who: GATEWAY, context: NAMED }, 'IntentGatewayWraps'],
    ['intent-gateway unwrap', 'kms:Decrypt', { who: GATEWAY, context: NAMED }, 'IntentGatewayWraps'],
    ['intent-gateway describe it', 'kms:DescribeKey', { who: GATEWAY }, 'IntentGatewayReadsTheKey'],
    ['an administrator let KMS rotate it', 'kms:EnableKeyRotation', { who: ADMIN }, 'AdministratorsManage'],
  ])('lets %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: true, by })
  })

  test.each<Row>([
    ['intent-gateway unwrap without a name', 'kms:Decrypt', { who: GATEWAY, context: {} }, 'default'],
    ['an administrator unwrap', 'kms:Decrypt', { who: ADMIN, context: NAMED }, 'OnlyIntentGatewayOpens'],
    ['the root unwrap', 'kms:Decrypt', { who: ROOT, context: NAMED }, 'OnlyIntentGatewayOpens'],
    ['the sink unwrap', 'kms:Decrypt', { who: SINK, context: NAMED }, 'OnlyIntentGatewayOpens'],
    [
      'anybody move what is wrapped to another key',
      'kms:ReEncryptFrom',
      { who: ADMIN, context: NAMED },
      'OnlyIntentGatewayOpens',
    ],
    ['intent-gateway disable it', 'kms:DisableKey', { who: GATEWAY }, 'default'],
    ['an administrator delete it', 'kms:ScheduleKeyDeletion', { who: ADMIN }, 'NobodyDeletesCopiesOrLends'],
  ])('does not let %s', (_, action, asked, by) => {
    expect(ask(action, asked)).toEqual({ allowed: false, by })
  })
})

test('a role is assumed by who is named, and by nobody else', () => {
  const ask = (who: string) => decide(trustPolicy, callOf('sts:AssumeRole', { who }, SINK), { ownCounts: false })
  expect([STRANGER, ADMIN, ROOT].map((who) => ask(who).allowed)).toEqual([true, false, false])
})

describe('the module', () => {
  const files = readdirSync(MODULE).filter((name) => name.endsWith('.tf'))
  const source = files.map((name) => read(name)).join('\n')

  test('explains every statement of its policies', () => {
    const explained = read('README.md')
    const sids = [bucketPolicy('log/'), signingPolicy, wrapPolicy, trustPolicy].flatMap((policy) =>
      statementsOf(policy).map(({ Sid }) => Sid),
    )
    for (const sid of sids) expect(explained, sid).toContain(`| \`${sid}\` |`)
  })

  test('gives its templates exactly what they use', () => {
    for (const template of readdirSync(new URL('policies/', MODULE))) {
      const wanted = new Set(
        [...read(`policies/${template}`).matchAll(/\$\{(?:jsonencode\()?(\w+)\)?\}/g)].map(([, name]) => name),
      )
      const call = new RegExp(`policies/${template.replaceAll('.', '\\.')}", \\{([^}]*)\\}`).exec(source)?.[1] ?? ''
      const given = new Set([...call.matchAll(/^\s*(\w+)\s*=|(\w+)\s*= principals/gm)].map(([, a, b]) => a ?? b))
      expect(given, template).toEqual(wanted)
    }
  })

  test('builds no ARN and names no partition by hand', () => {
    expect(source).not.toMatch(/arn:aws/)
    expect(source).not.toMatch(/amazonaws/)
  })

  test('keeps Object Lock and versioning on, and the keys in one region', () => {
    expect(source).toMatch(/object_lock_enabled\s*=\s*true/)
    expect(source).toMatch(/status\s*=\s*"Enabled"/)
    expect(source).toMatch(/sse_algorithm\s*=\s*"AES256"/)
    expect([...source.matchAll(/^resource "aws_kms_key"/gm)]).toHaveLength(3)
    expect([...source.matchAll(/multi_region\s*=\s*false/g)]).toHaveLength(3)
  })
})
