import type { Installer, Tool } from './catalogue.ts'
import { type Env } from './run.ts'
/**
 * Unpacks a Debian package, and those of its libraries that the system lacks, below `dir`, without root and without
 * touching the system. Answers a complaint, or undefined when `dir/bin/<name>` is there.
 */
export declare function installWithApt(
  tool: Tool,
  installer: Extract<
    Installer,
    {
      from: 'apt'
    }
  >,
  dir: string,
  env: Env,
): Promise<string | undefined>
//# sourceMappingURL=install-apt.d.ts.map
