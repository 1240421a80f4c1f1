/**
 * Larger values, equal ones kept once: thousands of nodes often carry the same configuration or address, and one copy
 * with a count of its uses costs a fraction of the memory (docs/decisions/0014-equal-values-once.md).
 *
 * A value is a block of the ByteStore: uses, CRC-32 and length (4 bytes each), then the bytes.
 */
import type { ByteStore } from './byte-store.ts';
import { HashTable } from './hash-table.ts';

/** Below this, sharing would cost more than it saves; such values lie beside the node's name. */
export const SHARED_VALUE_BYTES_MIN = 256;

const USES = 0;
const CRC = 4;
const LENGTH = 8;
const HEADER_BYTES = 12;

export class SharedValues {
  readonly #store: ByteStore;
  readonly #table = new HashTable();

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /** Counts one more use of the value, which is stored if it is new; returns its address, never 0. */
  take(data: Uint8Array, dataCrc: number): number {
    const crc = dataCrc | 0;
    const known = this.#find(data, crc);
    const store = this.#store;
    if (known !== 0) {
      const at = store.offset(known);
      writeInt(store.bytes(known), at + USES, readInt(store.bytes(known), at + USES) + 1);
      return known;
    }
    const address = store.allocate(HEADER_BYTES + data.length);
    const bytes = store.bytes(address);
    const at = store.offset(address);
    writeInt(bytes, at + USES, 1);
    writeInt(bytes, at + CRC, crc);
    writeInt(bytes, at + LENGTH, data.length);
    bytes.set(data, at + HEADER_BYTES);
    this.#table.insert(address, crc);
    return address;
  }

  /** Counts one use less; without uses the value is gone. */
  release(address: number): void {
    const bytes = this.#store.bytes(address);
    const at = this.#store.offset(address);
    const uses = readInt(bytes, at + USES) - 1;
    if (uses > 0) {
      writeInt(bytes, at + USES, uses);
      return;
    }
    this.#table.remove(address, readInt(bytes, at + CRC));
    this.#store.release(address);
  }

  /** Where in the store's `bytes(address)` the value begins. */
  start(address: number): number {
    return this.#store.offset(address) + HEADER_BYTES;
  }

  #find(data: Uint8Array, crc: number): number {
    const { pairs, mask } = this.#table.segment(crc);
    for (let place = crc & mask; ; place = (place + 1) & mask) {
      const entry = pairs[2 * place + 1];
      if (entry === 0) {
        return 0;
      }
      if (pairs[2 * place] === crc && this.#equals(entry >>> 0, data)) {
        return entry >>> 0;
      }
    }
  }

  #equals(address: number, data: Uint8Array): boolean {
    const bytes = this.#store.bytes(address);
    const at = this.#store.offset(address);
    if (readInt(bytes, at + LENGTH) !== data.length) {
      return false;
    }
    const start = at + HEADER_BYTES;
    return Buffer.compare(bytes.subarray(start, start + data.length), data) === 0;
  }
}

function readInt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function writeInt(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
