import type { Tool } from './catalogue.ts'
import { type Version } from './version.ts'
export type Judgement =
  | {
      readonly good: true
      readonly version: Version
    }
  /** One sentence without a full stop, to be printed after the path. */
  | {
      readonly good: false
      readonly reason: string
    }
/** Whether a program is one that will do, by what it says of itself. Absent output: it did not run. */
export declare function judge(tool: Tool, output: string | undefined): Judgement
/** What a person is told when nothing else is left. */
export declare function advice({ name, variable, minimum, exact, installer }: Tool): string
//# sourceMappingURL=judge.d.ts.map
