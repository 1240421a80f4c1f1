/** How figures are made and shown. */

export function report(what, who, figures) {
  console.log(`${what.padEnd(52)} ${who.padEnd(11)} ${figures}`);
}

/** Of durations in milliseconds. */
export function spread(list) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2);
  return `median ${at(0.5)}  p99 ${at(0.99)}  longest ${at(1)}`;
}
