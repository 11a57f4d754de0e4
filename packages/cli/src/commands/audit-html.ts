// Text into HTML, so that what anybody wrote stays text: a value that goes into a template is escaped, and nothing else can go in.

/** HTML that was made here. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Value = string | number | Html | undefined | readonly Value[]

/** A template whose values are escaped, but for HTML that was itself made so. Within a tag, which is in an attribute, a value is text alone. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  let [text, inTag] = ['', false]
  for (const [at, part] of parts.entries()) {
    const [opened, closed] = [part.lastIndexOf('<'), part.lastIndexOf('>')]
    if (opened !== closed) inTag = opened > closed
    text += part
    if (at < values.length) text += textOf(values[at], inTag)
  }
  return new Html(text)
}

/**
 * Control characters, marks that turn writing around, and characters without a shape are shown by their numbers: they would hide or reorder what
 * stands beside them. Lone surrogates too.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function textOf(value: Value, inTag: boolean): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map((one) => textOf(one, inTag)).join('')
  return String(value)
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
    .replace(UNSEEN, (character) => {
      if (character === '\n') return '\n'
      const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
      return inTag ? `U+${point}` : `<b class="unseen">U+${point}</b>`
    })
}

/** Somebody’s own words: in their own direction, so that they cannot turn around what stands beside them. */
export function words(text: string): Html {
  return html`<bdi>${text}</bdi>`
}
