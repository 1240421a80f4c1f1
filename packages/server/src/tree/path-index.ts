/**
 * Finds nodes by path, without a string or an object per node. The hash is the CRC-32 of the path, which the digest
 * needs anyway; a match is confirmed byte by byte.
 */
import { HashTable } from './hash-table.ts';
import type { NodeContent } from './node-content.ts';
import { type NodeId, ROOT } from './node-table.ts';
import type { PathBytes } from './path-bytes.ts';

export class PathIndex {
  readonly #content: NodeContent;
  readonly #table = new HashTable();

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
    const { pairs, mask } = this.#table.segment(hash);
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const node = pairs[2 * place + 1];
      if (node === 0 || (pairs[2 * place] === hash && this.#content.hasPath(node, path, length))) {
        return node;
      }
    }
  }

  insert(node: NodeId, crc: number): void {
    this.#table.insert(node, crc);
  }

  remove(node: NodeId, crc: number): void {
    this.#table.remove(node, crc);
  }
}
