/**
 * Names and data of the nodes: one block of a node's name, then its data, in a ByteStore. Together, since a look-up
 * compares the name right before a read takes the data; only larger data are apart, where equal ones share one block.
 * Paths are put together from names, upwards.
 */
import type { JuteWriter } from '@treekeeper/protocol';
import { ByteStore } from './byte-store.ts';
import { type NodeId, type NodeTable, ROOT, Row } from './node-table.ts';
import { SHARED_VALUE_BYTES_MIN, SharedValues } from './shared-values.ts';

const utf8Slice = Buffer.prototype.utf8Slice as (this: Uint8Array, start: number, end: number) => string;
const latin1Slice = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;

const SLASH = 0x2f;
/** Up to this many bytes a loop is faster than making a view to copy from (60 ns). */
const LOOP_BYTES_MAX = 48;

export class NodeContent {
  readonly #nodes: NodeTable;
  readonly #store = new ByteStore();
  readonly #values = new SharedValues(this.#store);
  #scratch = new Uint8Array(1024);

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  /** Gives the node its name, path[nameStart, nameEnd), and its data. Their CRC-32 matters only if they are shared. */
  initialise(
    node: NodeId,
    path: Uint8Array,
    nameStart: number,
    nameEnd: number,
    data: Uint8Array | null,
    dataCrc: number,
  ): void {
    const nameLength = nameEnd - nameStart;
    const block = this.#store.allocate(nameLength + inlineLength(data));
    const nodes = this.#nodes;
    nodes.setInt(node, Row.block, block);
    nodes.setInt(node, Row.nameLength, nameLength);
    nodes.setInt(node, Row.value, 0);
    copy(path, nameStart, nameEnd, this.#store.bytes(block), this.#store.offset(block));
    this.#putData(node, block, nameLength, data, dataCrc);
  }

  setData(node: NodeId, data: Uint8Array | null, dataCrc: number): void {
    const store = this.#store;
    const block = this.#nodes.int(node, Row.block);
    const nameLength = this.#nodes.int(node, Row.nameLength);
    const sizeBytes = nameLength + inlineLength(data);
    const former = this.#nodes.int(node, Row.value) >>> 0;
    if (store.isSameClass(block, sizeBytes)) {
      this.#putData(node, block, nameLength, data, dataCrc);
    } else {
      const other = store.allocate(sizeBytes);
      const nameStart = store.offset(block);
      copy(store.bytes(block), nameStart, nameStart + nameLength, store.bytes(other), store.offset(other));
      this.#nodes.setInt(node, Row.block, other);
      this.#putData(node, other, nameLength, data, dataCrc);
      store.release(block);
    }
    if (former !== 0) {
      this.#values.release(former); // last: the new value may be the same one
    }
  }

  #putData(node: NodeId, block: number, nameLength: number, data: Uint8Array | null, dataCrc: number): void {
    const nodes = this.#nodes;
    nodes.setInt(node, Row.dataLength, data === null ? -1 : data.length);
    if (data !== null && isShared(data)) {
      nodes.setInt(node, Row.value, this.#values.take(data, dataCrc));
      return;
    }
    nodes.setInt(node, Row.value, 0);
    if (data !== null) {
      copy(data, 0, data.length, this.#store.bytes(block), this.#store.offset(block) + nameLength);
    }
  }

  release(node: NodeId): void {
    this.#store.release(this.#nodes.int(node, Row.block));
    const value = this.#nodes.int(node, Row.value) >>> 0;
    if (value !== 0) {
      this.#values.release(value);
    }
  }

  /** A view of the data; null when they are null. */
  data(node: NodeId): Uint8Array | null {
    const length = this.#nodes.int(node, Row.dataLength);
    if (length < 0) {
      return null;
    }
    const value = this.#nodes.int(node, Row.value) >>> 0;
    if (value !== 0) {
      const start = this.#values.start(value);
      return this.#store.bytes(value).subarray(start, start + length);
    }
    const block = this.#nodes.int(node, Row.block);
    const start = this.#store.offset(block) + this.#nodes.int(node, Row.nameLength);
    return this.#store.bytes(block).subarray(start, start + length);
  }

  /** Appends the data as a jute buffer. */
  writeData(node: NodeId, writer: JuteWriter): void {
    const length = this.#nodes.int(node, Row.dataLength);
    writer.int(length);
    const value = this.#nodes.int(node, Row.value) >>> 0;
    if (value !== 0) {
      const start = this.#values.start(value);
      const at = writer.reserve(length);
      copy(this.#store.bytes(value), start, start + length, writer.bytes, at);
    } else if (length > 0) {
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

/** Whether equal data are kept once: they are looked up by their CRC-32. */
export function isShared(data: Uint8Array): boolean {
  return data.length >= SHARED_VALUE_BYTES_MIN;
}

/** Bytes of the data that lie behind the name. */
function inlineLength(data: Uint8Array | null): number {
  return data === null || isShared(data) ? 0 : data.length;
}

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
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
