/**
 * Names and data of the nodes: one block of a node's name, then its data, in a ByteStore. Together, since a look-up
 * compares the name right before a read takes the data. Paths are put together from names, upwards.
 */
import type { JuteWriter } from '@treekeeper/protocol';
import { ByteStore } from './byte-store.ts';
import { type NodeId, type NodeTable, ROOT, Row } from './node-table.ts';

const utf8Slice = Buffer.prototype.utf8Slice as (this: Uint8Array, start: number, end: number) => string;
const latin1Slice = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;

const SLASH = 0x2f;
/** Up to this many bytes a loop is faster than making a view to copy from (60 ns). */
const LOOP_BYTES_MAX = 48;

export class NodeContent {
  readonly #nodes: NodeTable;
  readonly #store = new ByteStore();
  #scratch = new Uint8Array(1024);

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  /** Gives the node its name, path[nameStart, nameEnd), and its data. */
  initialise(node: NodeId, path: Uint8Array, nameStart: number, nameEnd: number, data: Uint8Array | null): void {
    const nameLength = nameEnd - nameStart;
    const block = this.#store.allocate(nameLength + (data === null ? 0 : data.length));
    const nodes = this.#nodes;
    nodes.setInt(node, Row.block, block);
    nodes.setInt(node, Row.nameLength, nameLength);
    copy(path, nameStart, nameEnd, this.#store.bytes(block), this.#store.offset(block));
    this.#putData(node, block, nameLength, data);
  }

  setData(node: NodeId, data: Uint8Array | null): void {
    const store = this.#store;
    const block = this.#nodes.int(node, Row.block);
    const nameLength = this.#nodes.int(node, Row.nameLength);
    const sizeBytes = nameLength + (data === null ? 0 : data.length);
    if (store.isSameClass(block, sizeBytes)) {
      this.#putData(node, block, nameLength, data);
      return;
    }
    const larger = store.allocate(sizeBytes);
    const nameStart = store.offset(block);
    copy(store.bytes(block), nameStart, nameStart + nameLength, store.bytes(larger), store.offset(larger));
    this.#nodes.setInt(node, Row.block, larger);
    this.#putData(node, larger, nameLength, data);
    store.release(block);
  }

  #putData(node: NodeId, block: number, nameLength: number, data: Uint8Array | null): void {
    if (data === null) {
      this.#nodes.setInt(node, Row.dataLength, -1);
      return;
    }
    this.#nodes.setInt(node, Row.dataLength, data.length);
    copy(data, 0, data.length, this.#store.bytes(block), this.#store.offset(block) + nameLength);
  }

  release(node: NodeId): void {
    this.#store.release(this.#nodes.int(node, Row.block));
  }

  /** A view of the data; null when they are null. */
  data(node: NodeId): Uint8Array | null {
    const length = this.#nodes.int(node, Row.dataLength);
    if (length < 0) {
      return null;
    }
    const block = this.#nodes.int(node, Row.block);
    const start = this.#store.offset(block) + this.#nodes.int(node, Row.nameLength);
    return this.#store.bytes(block).subarray(start, start + length);
  }

  /** Appends the data as a jute buffer. */
  writeData(node: NodeId, writer: JuteWriter): void {
    const length = this.#nodes.int(node, Row.dataLength);
    writer.int(length);
    if (length > 0) {
      const block = this.#nodes.int(node, Row.block);
      const start = this.#store.offset(block) + this.#nodes.int(node, Row.nameLength);
      const at = writer.reserve(length);
      copy(this.#store.bytes(block), start, start + length, writer.bytes, at);
    }
  }

  name(node: NodeId): string {
    const block = this.#nodes.int(node, Row.block);
    const start = this.#store.offset(block);
    return text(this.#store.bytes(block), start, start + this.#nodes.int(node, Row.nameLength));
  }

  /** Appends the name as a jute ustring. */
  writeName(node: NodeId, writer: JuteWriter): void {
    const block = this.#nodes.int(node, Row.block);
    const start = this.#store.offset(block);
    const length = this.#nodes.int(node, Row.nameLength);
    writer.int(length);
    const at = writer.reserve(length);
    copy(this.#store.bytes(block), start, start + length, writer.bytes, at);
  }

  /** Whether path[0, pathEnd) is the node's path. */
  hasPath(node: NodeId, path: Uint8Array, pathEnd: number): boolean {
    const nodes = this.#nodes;
    let end = pathEnd;
    for (let at = node; at !== ROOT; at = nodes.int(at, Row.parent)) {
      const length = nodes.int(at, Row.nameLength);
      const start = end - length;
      if (start < 1 || path[start - 1] !== SLASH) {
        return false;
      }
      const block = nodes.int(at, Row.block);
      const bytes = this.#store.bytes(block);
      const shift = this.#store.offset(block) - start;
      for (let i = start; i < end; i++) {
        if (path[i] !== bytes[i + shift]) {
          return false;
        }
      }
      end = start - 1;
    }
    return end === 0;
  }

  /** The node's path; "/" for the root. */
  path(node: NodeId): string {
    if (node === ROOT) {
      return '/';
    }
    const length = this.#pathLength(node);
    if (length > this.#scratch.length) {
      this.#scratch = new Uint8Array(length * 2);
    }
    this.#fillPath(node, this.#scratch, length);
    return text(this.#scratch, 0, length);
  }

  /** Appends the path as a jute ustring, the root's as "" (disk-format.md §3.1). */
  writePath(node: NodeId, writer: JuteWriter): void {
    const length = this.#pathLength(node);
    writer.int(length);
    const at = writer.reserve(length);
    this.#fillPath(node, writer.bytes, at + length);
  }

  #pathLength(node: NodeId): number {
    let length = 0;
    for (let at = node; at !== ROOT; at = this.#nodes.int(at, Row.parent)) {
      length += 1 + this.#nodes.int(at, Row.nameLength);
    }
    return length;
  }

  /** Writes the path so that it ends before target[pathEnd]. */
  #fillPath(node: NodeId, target: Uint8Array, pathEnd: number): void {
    let end = pathEnd;
    for (let at = node; at !== ROOT; at = this.#nodes.int(at, Row.parent)) {
      const block = this.#nodes.int(at, Row.block);
      const nameStart = this.#store.offset(block);
      const length = this.#nodes.int(at, Row.nameLength);
      copy(this.#store.bytes(block), nameStart, nameStart + length, target, end - length);
      end -= length + 1;
      target[end] = SLASH;
    }
  }
}

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) {
    target.set(source.subarray(start, end), at);
    return;
  }
  const shift = at - start;
  for (let i = start; i < end; i++) {
    target[i + shift] = source[i];
  }
}

function text(bytes: Uint8Array, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    if (bytes[i] >= 0x80) {
      return utf8Slice.call(bytes, start, end);
    }
  }
  return latin1Slice.call(bytes, start, end);
}
