import type { Installer, Tool } from './catalogue.ts'
import { type Env } from './run.ts'
/** `go install` at the pinned version into `dir/bin`. Answers a complaint, or undefined when it is there. */
export declare function installWithGo(
  { name }: Tool,
  {
    module,
    version,
  }: Extract<
    Installer,
    {
      from: 'go'
    }
  >,
  dir: string,
  env: Env,
): Promise<string | undefined>
//# sourceMappingURL=install-go.d.ts.map
