import { z } from 'zod'
import { Id, PublicJwk, Rev, ServiceRoleName } from './common.ts'
import { RECORD_KINDS, type RecordKind } from './records.ts'

/** What is pinned out of band: nothing that anchors trust is read from the bus. */
export const Trust = z.object({
  operators: z.record(Id, PublicJwk),
  anchors: z.partialRecord(ServiceRoleName, PublicJwk),
  log_vkeys: z.array(z.string().min(1)),
  two_person: z.array(z.enum(RECORD_KINDS as [RecordKind, ...RecordKind[]])),
})
export type Trust = z.output<typeof Trust>

/** `enrolment.json`: given out of band. `credentials_file` is relative to the package's own folder. */
export const Enrolment = z.object({
  kind: z.string().min(1).max(64),
  id: Id,
  nats_url: z.string().min(1),
  credentials_file: z.string().min(1),
  region: Id,
  trust: Trust,
  control: Rev.exactOptional(),
})
export type Enrolment = z.output<typeof Enrolment>
