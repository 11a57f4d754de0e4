import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

const encodings = ['base64', 'base64url'] as const
const NESTED = 3

/** A text as it is, and as it stands in base64 wherever it begins there; what a signed message in a signed message has of it, too. */
function formsOf(text: string, depth = NESTED): readonly string[] {
  if (depth === 0) return [text]
  const inside = encodings.flatMap((encoding) =>
    [0, 1, 2].map((offset) => {
      const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)])
      // Characters that hold bits of what stands before or after it are left out.
      return bytes.toString(encoding).slice(Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6))
    }),
  )
  return [...new Set([text, ...[...new Set(inside)].flatMap((form) => formsOf(form, depth - 1))])]
}

/** Which of the words stand in a content, in any of their forms. */
export function found(where: string, content: Uint8Array | string, words: Readonly<Record<string, string>>): string[] {
  const text = typeof content === 'string' ? content : Buffer.from(content).toString('latin1')
  return Object.entries(words).flatMap(([name, word]) =>
    formsOf(word).some((form) => text.includes(form)) ? [`${name} in ${where}`] : [],
  )
}

/** The same of every file below a folder, and how many there are. */
export async function foundInFiles(dir: string, words: Readonly<Record<string, string>>): Promise<[string[], number]> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = names.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
  const all: string[] = []
  for (const file of files) all.push(...found(relative(dir, file), await readIfThere(file), words))
  return [all, files.length]
}

/** A server replaces its small files all the time. */
async function readIfThere(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array()
    throw error
  }
}
