/** A path as UTF-8 bytes with its CRC-32: what the path index and the digest work on. */
import { textOf } from '@treekeeper/protocol';
import { BYTE_TABLE, crc32 } from './crc32.ts';

const SLASH = 0x2f;
const SYSTEM_PREFIX: Uint8Array = Buffer.from('/zookeeper/');
const utf8Write = Buffer.prototype.utf8Write as (this: Uint8Array, text: string, at: number, length: number) => number;

/**
 * One reused buffer: `encode` fills it from a path, in one pass that also finds the last slash and the CRC at it, so
 * that the node and its parent can both be looked up. The root, "" or "/", has no bytes (disk-format.md §10, trap 24).
 */
export class PathBytes {
  bytes = new Uint8Array(1024);
  length = 0;
  /** CRC-32 of the bytes. */
  crc = 0;
  /** Length of the parent's path: the offset of the last slash; −1 when the path has none. */
  parentLength = -1;
  parentCrc = 0;
  /** What was encoded last: a write looks up its path several times in a row. */
  #path: string | null = null;

  /** How many characters the path has in Java and JavaScript. */
  chars = 0;

  /** Takes a path that is UTF-8 already, source[start, end). What is not valid becomes U+FFFD, as in a string. */
  take(source: Uint8Array, start: number, end: number): void {
    this.#path = null;
    const length = end - start;
    if (length > this.bytes.length) {
      this.bytes = new Uint8Array(length * 2);
    }
    const bytes = this.bytes;
    let register = -1;
    let slashAt = -1;
    let registerAtSlash = -1;
    for (let i = 0; i < length; i++) {
      const byte = source[start + i];
      if (byte >= 0x80) {
        this.encode(textOf(source, start, end));
        return;
      }
      if (byte === SLASH) {
        slashAt = i;
        registerAtSlash = register;
      }
      bytes[i] = byte;
      register = BYTE_TABLE[(register ^ byte) & 0xff] ^ (register >>> 8);
    }
    this.#finish(length, register, slashAt, registerAtSlash);
  }

  encode(path: string): void {
    if (path === this.#path) {
      return;
    }
    this.#path = path;
    const chars = path.length;
    if (chars > this.bytes.length) {
      this.bytes = new Uint8Array(chars * 2);
    }
    const bytes = this.bytes;
    let register = -1;
    let slashAt = -1;
    let registerAtSlash = -1;
    for (let i = 0; i < chars; i++) {
      const unit = path.charCodeAt(i);
      if (unit >= 0x80) {
        this.#encodeUtf8(path);
        return;
      }
      if (unit === SLASH) {
        slashAt = i;
        registerAtSlash = register;
      }
      bytes[i] = unit;
      register = BYTE_TABLE[(register ^ unit) & 0xff] ^ (register >>> 8);
    }
    this.#finish(chars, register, slashAt, registerAtSlash);
  }

  #finish(length: number, register: number, slashAt: number, registerAtSlash: number): void {
    this.chars = length;
    this.parentLength = slashAt;
    this.parentCrc = ~registerAtSlash >>> 0;
    const isRoot = length === 1 && slashAt === 0;
    this.length = isRoot ? 0 : length;
    this.crc = isRoot ? 0 : ~register >>> 0;
  }

  /** The path as a string. */
  get text(): string {
    return textOf(this.bytes, 0, this.length);
  }

  /** Whether the path lies below /zookeeper: then the node has no share in the digest. */
  get isSystem(): boolean {
    const { bytes, length } = this;
    if (length < SYSTEM_PREFIX.length || bytes[1] !== SYSTEM_PREFIX[1]) {
      return false;
    }
    return SYSTEM_PREFIX.every((byte, i) => bytes[i] === byte);
  }

  #encodeUtf8(path: string): void {
    const length = Buffer.byteLength(path);
    if (length > this.bytes.length) {
      this.bytes = new Uint8Array(length * 2);
    }
    utf8Write.call(this.bytes, path, 0, length);
    this.chars = path.length;
    this.length = length;
    this.crc = crc32(this.bytes, 0, length, 0);
    this.parentLength = this.bytes.subarray(0, length).lastIndexOf(SLASH);
    this.parentCrc = this.parentLength < 0 ? 0 : crc32(this.bytes, 0, this.parentLength, 0);
  }
}
