/**
 * A hash table of numbers under 32-bit hashes: open addressing with linear probing over pairs of (hash, entry), without
 * an object per entry. What an entry stands for, and whether it is the one looked for, is the caller's business.
 *
 * The table is cut into segments by the hash, and each grows on its own from the hashes stored in it: no growth moves
 * more than a 256th of the entries (5 µs at ten thousand of them, some ms at a hundred million).
 */
const SEGMENT_BITS = 8;
const CAPACITY_MIN = 16;

/** For the callers' probe loops: they begin at `hash & mask` and go on until entry 0. */
export interface Segment {
  /** Pairs: hash at 2i, entry at 2i + 1; entry 0 is an empty place. */
  pairs: Int32Array;
  mask: number;
  count: number;
}

/** What every segment begins with: one place, which stays empty, for the first entry makes a segment grow. */
const NO_PAIRS = new Int32Array(2);

export class HashTable {
  readonly #segments: Segment[] = Array.from({ length: 1 << SEGMENT_BITS }, () => ({
    pairs: NO_PAIRS,
    mask: 0,
    count: 0,
  }));

  /** Where entries with this hash (32 bits, either sign) are. */
  segment(hash: number): Segment {
    return this.#segments[hash >>> (32 - SEGMENT_BITS)];
  }

  /** Adds an entry, a 32-bit number other than 0. */
  insert(entry: number, hash: number): void {
    const segment = this.segment(hash);
    segment.count += 1;
    // At most three quarters full: beyond that the probes of misses get long.
    if (segment.count * 4 > (segment.mask + 1) * 3) {
      grow(segment);
    }
    put(segment, hash | 0, entry | 0);
  }

  /** Takes out an entry that is there. */
  remove(entry: number, hash: number): void {
    const segment = this.segment(hash);
    const { pairs, mask } = segment;
    let place = hash & mask;
    while (pairs[2 * place + 1] !== (entry | 0)) {
      place = (place + 1) & mask;
    }
    segment.count -= 1;
    // Pairs after it that a probe could no longer reach across the gap move into it.
    let gap = place;
    for (let next = (gap + 1) & mask; pairs[2 * next + 1] !== 0; next = (next + 1) & mask) {
      const home = pairs[2 * next] & mask;
      if (((next - home) & mask) >= ((next - gap) & mask)) {
        pairs[2 * gap] = pairs[2 * next];
        pairs[2 * gap + 1] = pairs[2 * next + 1];
        gap = next;
      }
    }
    pairs[2 * gap + 1] = 0;
  }
}

function put({ pairs, mask }: Segment, hash: number, entry: number): void {
  let place = hash & mask;
  while (pairs[2 * place + 1] !== 0) {
    place = (place + 1) & mask;
  }
  pairs[2 * place] = hash;
  pairs[2 * place + 1] = entry;
}

function grow(segment: Segment): void {
  const { pairs } = segment;
  const capacity = Math.max(CAPACITY_MIN, pairs.length);
  segment.pairs = new Int32Array(2 * capacity);
  segment.mask = capacity - 1;
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i + 1] !== 0) {
      put(segment, pairs[i], pairs[i + 1]);
    }
  }
}
