/** Whether some subject matches both patterns, whose tokens may be `*` and, last, `>`. */
export function overlap(a: string, b: string): boolean {
  const [left, right] = [a.split('.'), b.split('.')]
  for (let n = 0; n < Math.max(left.length, right.length); n++) {
    const [x, y] = [left[n], right[n]]
    if (x === undefined || y === undefined) return false
    if (x === '>' || y === '>') return true
    if (x !== y && x !== '*' && y !== '*') return false
  }
  return true
}

/** Whether every subject that matches `inner` matches `outer`. */
export function covers(outer: string, inner: string): boolean {
  const [left, right] = [outer.split('.'), inner.split('.')]
  for (let n = 0; n < left.length; n++) {
    const [x, y] = [left[n], right[n]]
    if (y === undefined) return false
    if (x === '>') return true
    if (y === '>' || (x !== '*' && x !== y)) return false
  }
  return left.length === right.length
}
