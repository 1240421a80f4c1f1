/**
 * The rows of the nodes: 128 bytes each, in chunks that are added as they are needed and never copied, so growth costs
 * the same at any size. A row holds everything about a node but its name and data; as neighbours in memory the fields
 * of one node come with one or two cache misses.
 */
import { readLong, writeLong } from './digest.ts';

/** Names a node as long as it exists: ids of removed nodes are used again. 0 is no node. */
export type NodeId = number;

/** The id of the root. */
export const ROOT: NodeId = 1;

/**
 * Offsets of the fields in a row. The first 60 bytes are the stat in the order and the byte order in which the digest
 * covers it (disk-format.md §4), so that it is computed on the row itself.
 */
export const Row = {
  czxid: 0,
  mzxid: 8,
  pzxid: 16,
  ctimeMs: 24,
  mtimeMs: 32,
  version: 40,
  /** As persisted: creations of children. */
  cversion: 44,
  aversion: 48,
  owner: 52,
  /** CRC-32 of path ‖ data; kept only with digests on. */
  contentCrc: 60,
  /** The node's share in the tree digest. */
  digest: 64,
  /** CRC-32 of the path: its hash in the path index, and where contentCrc begins. */
  pathCrc: 68,
  parent: 72,
  childCount: 76,
  /** Children are a list in no particular order. */
  firstChild: 80,
  nextSibling: 84,
  previousSibling: 88,
  /** Place among the nodes of one owner (owner-index.ts). */
  nextOwned: 92,
  previousOwned: 96,
  /** Address of the block that holds the name, and behind it the data unless they are shared. */
  block: 100,
  nameLength: 104,
  /** −1: null. */
  dataLength: 108,
  /** Slot in the ACL table. */
  aclSlot: 112,
  /** 1 when the node has a share in the digest. */
  isDigested: 116,
  /** Index into OWNER_KINDS. */
  ownerKind: 120,
  /** Address of the data among the shared values; 0: they are in `block`. */
  value: 124,
} as const;
export type Field = (typeof Row)[keyof typeof Row];

const ROW_SHIFT = 7;
const ROW_BYTES = 1 << ROW_SHIFT;
const CHUNK_SHIFT = 9;
const CHUNK_ROWS = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_ROWS - 1;

export class NodeTable {
  readonly #chunks: DataView[] = [];
  /** The lowest id never used. */
  #unused = 1;
  /** Head of the list of ids to use again, linked through nextSibling. */
  #freeHead: NodeId = 0;
  #count = 0;

  /** Nodes in use. */
  get count(): number {
    return this.#count;
  }

  /** A row of zeros. */
  allocate(): NodeId {
    this.#count += 1;
    const recycled = this.#freeHead;
    if (recycled !== 0) {
      this.#freeHead = this.int(recycled, Row.nextSibling);
      this.setInt(recycled, Row.nextSibling, 0);
      return recycled;
    }
    const node = this.#unused++;
    if (node >>> CHUNK_SHIFT === this.#chunks.length) {
      this.#chunks.push(new DataView(new ArrayBuffer(CHUNK_ROWS * ROW_BYTES)));
    }
    return node;
  }

  release(node: NodeId): void {
    this.#count -= 1;
    const view = this.view(node);
    const start = this.offset(node);
    for (let at = start; at < start + ROW_BYTES; at += 4) {
      view.setInt32(at, 0);
    }
    this.setInt(node, Row.nextSibling, this.#freeHead);
    this.#freeHead = node;
  }

  /** The view that the node's row lies in. */
  view(node: NodeId): DataView {
    return this.#chunks[node >>> CHUNK_SHIFT];
  }

  /** Where in `view(node)` the row begins. */
  offset(node: NodeId): number {
    return (node & CHUNK_MASK) << ROW_SHIFT;
  }

  int(node: NodeId, field: Field): number {
    return this.#chunks[node >>> CHUNK_SHIFT].getInt32(((node & CHUNK_MASK) << ROW_SHIFT) + field);
  }

  /** An unsigned one: a CRC. */
  crc(node: NodeId, field: Field): number {
    return this.#chunks[node >>> CHUNK_SHIFT].getUint32(((node & CHUNK_MASK) << ROW_SHIFT) + field);
  }

  setInt(node: NodeId, field: Field, value: number): void {
    this.#chunks[node >>> CHUNK_SHIFT].setInt32(((node & CHUNK_MASK) << ROW_SHIFT) + field, value);
  }

  long(node: NodeId, field: Field): number {
    return readLong(this.view(node), this.offset(node) + field);
  }

  setLong(node: NodeId, field: Field, value: number): void {
    writeLong(this.view(node), this.offset(node) + field, value);
  }

  bigint(node: NodeId, field: Field): bigint {
    return this.view(node).getBigInt64(this.offset(node) + field);
  }

  setBigint(node: NodeId, field: Field, value: bigint): void {
    this.view(node).setBigInt64(this.offset(node) + field, value);
  }

  linkChild(parent: NodeId, child: NodeId): void {
    const first = this.int(parent, Row.firstChild);
    this.setInt(child, Row.parent, parent);
    this.setInt(child, Row.nextSibling, first);
    if (first !== 0) {
      this.setInt(first, Row.previousSibling, child);
    }
    this.setInt(parent, Row.firstChild, child);
    this.setInt(parent, Row.childCount, this.int(parent, Row.childCount) + 1);
  }

  unlinkChild(parent: NodeId, child: NodeId): void {
    const previous = this.int(child, Row.previousSibling);
    const next = this.int(child, Row.nextSibling);
    if (previous === 0) {
      this.setInt(parent, Row.firstChild, next);
    } else {
      this.setInt(previous, Row.nextSibling, next);
    }
    if (next !== 0) {
      this.setInt(next, Row.previousSibling, previous);
    }
    this.setInt(parent, Row.childCount, this.int(parent, Row.childCount) - 1);
  }

  /** The node after `node`, depth first and parents before children, in the subtree of `top`; 0 at its end. */
  following(node: NodeId, top: NodeId): NodeId {
    const child = this.int(node, Row.firstChild);
    return child === 0 ? this.followingSubtree(node, top) : child;
  }

  /** The node after all descendants of `node`, in the subtree of `top`; 0 at its end. */
  followingSubtree(node: NodeId, top: NodeId): NodeId {
    for (let ancestor = node; ancestor !== top; ancestor = this.int(ancestor, Row.parent)) {
      const sibling = this.int(ancestor, Row.nextSibling);
      if (sibling !== 0) {
        return sibling;
      }
    }
    return 0;
  }
}
