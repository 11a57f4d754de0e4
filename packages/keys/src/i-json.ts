import { Fault, JSON_DEPTH_MAX, type JsonObject, type JsonValue } from '@writ/contracts'

const NUMBER_MAX = 2 ** 53
const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor', 'prototype'])
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses a JSON object as I-JSON (RFC 7493) with the bounds of CONTRACT section 1: UTF-8, no duplicate member names, no lone
 * surrogates, numbers below 2⁵³ in absolute value, depth at most 32, no member that could reach a prototype.
 * Throws Fault `malformed`.
 */
export function parseIJson(bytes: Uint8Array): JsonObject {
  const text = decode(bytes)
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('The payload is not a JSON object.')
  // JSON.parse keeps the last of two members with one name; then the text has more members than the value.
  if (countMembers(value, 1) !== countColons(text)) throw malformed('A JSON object has two members of one name.')
  return value
}

/** Of a value that is no text yet, so that no name can be there twice. Throws Fault `malformed`. */
export function assertIJson(value: JsonObject): void {
  countMembers(value, 1)
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw malformed('The payload is not UTF-8.', cause)
  }
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw malformed('The payload is not JSON.', cause)
  }
}

/** Members in the value, at every level; throws at the first thing that I-JSON or our bounds forbid. */
function countMembers(value: JsonValue, depth: number): number {
  if (typeof value === 'number') {
    if (!(Math.abs(value) < NUMBER_MAX)) throw malformed('A number is out of range.')
    return 0
  }
  if (typeof value === 'string') return checkString(value)
  if (typeof value !== 'object' || value === null) return 0
  if (depth > JSON_DEPTH_MAX) throw malformed('The payload is nested too deeply.')
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += countMembers(item, depth + 1)
    return members
  }
  for (const name of Object.keys(value)) {
    if (FORBIDDEN_NAMES.has(name)) throw malformed('A member has a forbidden name.')
    members += 1 + checkString(name) + countMembers(value[name] as JsonValue, depth + 1)
  }
  return members
}

function checkString(text: string): 0 {
  if (!text.isWellFormed()) throw malformed('A string has a lone surrogate.')
  return 0
}

/** Colons outside strings of a text that is valid JSON: one for each member written. */
function countColons(text: string): number {
  let colons = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COLON) colons++
    else if (code === QUOTE) at = endOfString(text, at)
  }
  return colons
}

/** Where the string that begins at `start` ends. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
  }
}

function malformed(message: string, cause?: unknown): Fault {
  return new Fault('malformed', { message, cause })
}
