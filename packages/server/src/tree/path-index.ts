/**
 * Finds nodes by path: open addressing with linear probing over pairs of (hash, node), without a string or an object
 * per node. The hash is the CRC-32 of the path, which the digest needs anyway; a match is confirmed byte by byte.
 *
 * The table is cut into segments by the hash, and each grows on its own from the hashes stored in it: no growth moves
 * more than a 256th of the nodes (5 µs at ten thousand nodes, some ms at a hundred million).
 */
import type { NodeContent } from './node-content.ts';
import { type NodeId, ROOT } from './node-table.ts';
import type { PathBytes } from './path-bytes.ts';

const SEGMENT_BITS = 8;
const CAPACITY_MIN = 16;

interface Segment {
  /** Pairs: hash at 2i, node at 2i + 1; node 0 is an empty place. */
  pairs: Int32Array;
  mask: number;
  count: number;
}

export class PathIndex {
  readonly #content: NodeContent;
  readonly #segments: Segment[] = Array.from({ length: 1 << SEGMENT_BITS }, () => newSegment(CAPACITY_MIN));

  constructor(content: NodeContent) {
    this.#content = content;
  }

  /** The node of a path; 0 when there is none. */
  find({ bytes, length, crc }: PathBytes): NodeId {
    return length === 0 ? ROOT : this.#probe(bytes, length, crc);
  }

  /** The parent of a path, which need not be there itself; 0 when there is none. The root has none. */
  findParent({ bytes, length, parentLength, parentCrc }: PathBytes): NodeId {
    if (length === 0 || parentLength < 0) {
      return 0;
    }
    return parentLength === 0 ? ROOT : this.#probe(bytes, parentLength, parentCrc);
  }

  #probe(path: Uint8Array, length: number, crc: number): NodeId {
    const hash = crc | 0;
    const { pairs, mask } = this.#segments[crc >>> (32 - SEGMENT_BITS)];
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const node = pairs[2 * place + 1];
      if (node === 0 || (pairs[2 * place] === hash && this.#content.hasPath(node, path, length))) {
        return node;
      }
    }
  }

  insert(node: NodeId, crc: number): void {
    const segment = this.#segments[crc >>> (32 - SEGMENT_BITS)];
    segment.count += 1;
    // At most three quarters full: beyond that the probes of misses get long.
    if (segment.count * 4 > (segment.mask + 1) * 3) {
      grow(segment);
    }
    put(segment, crc | 0, node);
  }

  remove(node: NodeId, crc: number): void {
    const segment = this.#segments[crc >>> (32 - SEGMENT_BITS)];
    const { pairs, mask } = segment;
    let place = crc & mask;
    while (pairs[2 * place + 1] !== node) {
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

function newSegment(capacity: number): Segment {
  return { pairs: new Int32Array(2 * capacity), mask: capacity - 1, count: 0 };
}

function put({ pairs, mask }: Segment, hash: number, node: NodeId): void {
  let place = hash & mask;
  while (pairs[2 * place + 1] !== 0) {
    place = (place + 1) & mask;
  }
  pairs[2 * place] = hash;
  pairs[2 * place + 1] = node;
}

function grow(segment: Segment): void {
  const { pairs } = segment;
  const capacity = pairs.length;
  segment.pairs = new Int32Array(2 * capacity);
  segment.mask = capacity - 1;
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i + 1] !== 0) {
      put(segment, pairs[i], pairs[i + 1]);
    }
  }
}
