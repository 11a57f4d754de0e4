import type { Command } from 'commander'
import type { Act } from '../program.ts'

/** `writ audit verify` */
export function addAuditCommands(program: Command, _act: Act): void {
  program.command('audit').description('Read and verify the evidence.')
}
