import { z } from 'zod'
import { REASON_CODES } from '../codes.ts'
import { Text } from './common.ts'

export const ReasonShape = z.object({ code: z.enum(REASON_CODES), message: Text })
export const StrictReason = z.strictObject({ code: z.enum(REASON_CODES), message: Text })
