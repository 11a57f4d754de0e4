import type { Installer, Tool } from './catalogue.ts'
import { compareVersions, formatVersion, parseVersion, type Version } from './version.ts'

export type Judgement =
  | { readonly good: true; readonly version: Version }
  /** One sentence without a full stop, to be printed after the path. */
  | { readonly good: false; readonly reason: string }

/** Whether a program is one that will do, by what it says of itself. Absent output: it did not run. */
export function judge(tool: Tool, output: string | undefined): Judgement {
  if (output === undefined) return { good: false, reason: 'it does not run' }
  const version = parseVersion(output)
  if (version === undefined) return { good: false, reason: 'it does not tell its version' }
  const order = compareVersions(version, tool.minimum)
  if (order === 0 || (order > 0 && tool.exact !== true)) return { good: true, version }
  const wanted = `${formatVersion(tool.minimum)}${tool.exact === true ? '' : ' or newer'}`
  return { good: false, reason: `it is ${formatVersion(version)}, ${wanted} is needed: ${tool.why}` }
}

/** What a person is told when nothing else is left. */
export function advice({ name, variable, minimum, exact, installer }: Tool): string {
  const version = `${formatVersion(minimum)}${exact === true ? '' : ' or newer'}`
  return `${name} ${version} is needed. Either ${howToGet(installer)}; or put the path of one into ${variable}.`
}

function howToGet(installer: Installer): string {
  if (installer.from === 'go')
    return `install Go (https://go.dev/dl), then: go install ${installer.module}@v${installer.version}`
  if (installer.from === 'pip')
    return `install Python 3 with venv, and there: pip install '${installer.package}==${installer.version}'`
  return `install the package ${installer.package} of your system`
}
