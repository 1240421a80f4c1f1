/**
 * Sequence numbers of sequential nodes. The server counts in 32 bits with sign and writes at least ten characters, so
 * behind 2147483647 comes `-2147483648`: numbers are compared on a circle, not on a line.
 */

/** The sign belongs to the number where another separator stands before it: `lock--000000005`, `__lock__-000000005`. */
const SEQUENCE = /(?:(?<=[-_])-\d{9,10}|\d{10})$/;

/** The number at the end of a sequential node's name; null when there is none. */
export function sequenceOf(name: string): number | null {
  const digits = SEQUENCE.exec(name)?.[0];
  return digits === undefined ? null : Number(digits);
}

/**
 * Negative when `a` was created before `b`, however often the counter has gone round; right as long as no two of the
 * nodes compared are more than 2^31 creations apart.
 */
export function compareSequences(a: number, b: number): number {
  return (a - b) | 0;
}

/** Names that have a sequence number and pass `isContender`, in the order of their creation. */
export function inSequence(names: readonly string[], isContender: (name: string) => boolean = () => true): string[] {
  return names
    .map((name) => ({ name, sequence: sequenceOf(name) }))
    .filter((entry): entry is { name: string; sequence: number } => entry.sequence !== null && isContender(entry.name))
    .sort((a, b) => compareSequences(a.sequence, b.sequence))
    .map(({ name }) => name);
}
