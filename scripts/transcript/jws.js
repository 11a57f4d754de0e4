// A JWS taken apart; nothing is verified here.

/** Claims of a JWS, or undefined. @param {string} text @returns {any} */
export function claimsOf(text) {
  return jsonOf(text.split('.')[1])
}

/** The protected header of a JWS, or undefined. @param {string} text @returns {any} */
export function headerOf(text) {
  return jsonOf(text.split('.')[0])
}

/** @param {string | undefined} segment */
function jsonOf(segment) {
  try {
    return JSON.parse(Buffer.from(segment ?? '', 'base64url').toString())
  } catch {
    return undefined
  }
}
