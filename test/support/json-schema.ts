/** A reader of the JSON Schema keywords that the exported schemas use. Any other keyword is an error: nothing is passed over. */
type Schema = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const sizeOf = (value: unknown): number => [...String(value)].length
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}
const ANNOTATIONS = ['$schema', '$defs', 'title', 'description', 'format']
type Check = (
  argument: never,
  value: unknown,
  schema: Schema,
  valid: (schema: Schema, value: unknown) => boolean,
) => boolean

const CHECKS: Readonly<Record<string, Check>> = {
  type: (type: string, value) => TYPES[type]?.(value) ?? false,
  const: (wanted: unknown, value) => same(wanted, value),
  enum: (wanted: unknown[], value) => wanted.some((one) => same(one, value)),
  pattern: (pattern: string, value) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  minLength: (least: number, value) => typeof value !== 'string' || sizeOf(value) >= least,
  maxLength: (most: number, value) => typeof value !== 'string' || sizeOf(value) <= most,
  minimum: (least: number, value) => typeof value !== 'number' || value >= least,
  maximum: (most: number, value) => typeof value !== 'number' || value <= most,
  minItems: (least: number, value) => !Array.isArray(value) || value.length >= least,
  maxItems: (most: number, value) => !Array.isArray(value) || value.length <= most,
  uniqueItems: (_: true, value) =>
    !Array.isArray(value) || new Set(value.map((item) => JSON.stringify(item))).size === value.length,
  items: (item: Schema, value, _, valid) => !Array.isArray(value) || value.every((each) => valid(item, each)),
  required: (names: string[], value) => !isObject(value) || names.every((name) => Object.hasOwn(value, name)),
  properties: (known: Record<string, Schema>, value, _, valid) =>
    !isObject(value) || Object.entries(value).every(([name, each]) => !known[name] || valid(known[name], each)),
  additionalProperties: (more: Schema | false, value, { properties = {} }, valid) =>
    !isObject(value) ||
    Object.entries(value).every(
      ([name, each]) => Object.hasOwn(properties as object, name) || (more !== false && valid(more, each)),
    ),
  propertyNames: (names: Schema, value, _, valid) =>
    !isObject(value) || Object.keys(value).every((name) => valid(names, name)),
  oneOf: (ways: Schema[], value, _, valid) => ways.filter((way) => valid(way, value)).length === 1,
  anyOf: (ways: Schema[], value, _, valid) => ways.some((way) => valid(way, value)),
  not: (never: Schema, value, _, valid) => !valid(never, value),
}

/** Whether a value is valid under a schema. Throws at a keyword that it does not know. */
export function validates(root: Schema, value: unknown): boolean {
  const valid = (schema: Schema, each: unknown): boolean =>
    Object.entries(schema).every(([keyword, argument]) => {
      if (ANNOTATIONS.includes(keyword)) return true
      if (keyword === '$ref') {
        const named = (root['$defs'] as Record<string, Schema>)[String(argument).slice('#/$defs/'.length)]
        if (named === undefined) throw new Error(`${String(argument)} leads nowhere`)
        return valid(named, each)
      }
      const check = CHECKS[keyword]
      if (check === undefined) throw new Error(`a keyword that is not read here: ${keyword}`)
      return check(argument as never, each, schema, valid)
    })
  return valid(root, value)
}
