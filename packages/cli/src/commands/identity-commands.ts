import type { Command } from 'commander'
import { IDENTITY_KINDS, type Identified } from '../identities/kinds.ts'
import type { Act } from '../invocation.ts'
import {
  addCreateAgent,
  addCreateApprover,
  addCreateDevice,
  addCreateGateway,
  addCreateOperator,
} from './create-commands.ts'
import { addListCommand, addShowCommand } from './list-commands.ts'
import { addRemoveCommand } from './remove-commands.ts'
import { addRotateKeyCommand } from './rotate-key-commands.ts'

const ABOUT: Readonly<Record<Identified, string>> = {
  agent: 'Programs that ask for actions.',
  gateway: 'Edge gateways that act.',
  device: 'What gateways act on.',
  approver: 'People who approve.',
  operator: 'People who operate the plane.',
}

const CREATE: Readonly<Record<Identified, (group: Command, act: Act) => void>> = {
  agent: addCreateAgent,
  gateway: addCreateGateway,
  device: addCreateDevice,
  approver: addCreateApprover,
  operator: addCreateOperator,
}

/** `writ agent|gateway|device|approver|operator create|list|show|rotate-key|remove` */
export function addIdentityCommands(program: Command, act: Act): void {
  for (const kind of IDENTITY_KINDS) {
    const group = program.command(kind).description(ABOUT[kind])
    CREATE[kind](group, act)
    addListCommand(group, act, kind)
    addShowCommand(group, act, kind)
    if (kind !== 'device') addRotateKeyCommand(group, act, kind)
    addRemoveCommand(group, act, kind)
  }
}
