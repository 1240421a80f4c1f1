import { JuteError } from './errors.ts';

const utf8Write = Buffer.prototype.utf8Write as (this: Uint8Array, text: string, at: number, length: number) => number;

/** Strings up to this many characters are written by a loop: below it the call into native code costs more. */
const LOOP_CHARS_MAX = 28;
const TWO_32 = 4294967296;

/** Small buffers share memory with others: an ArrayBuffer for each is dear to make and to collect. */
function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Appends jute primitives to a growing buffer. `bytes[0, length)` is what has been written; the buffer is replaced when
 * it grows, so do not keep `bytes` across writes.
 */
export class JuteWriter {
  bytes: Buffer;
  length = 0;
  #view: DataView;

  constructor(capacityBytes = 256) {
    this.bytes = Buffer.allocUnsafe(capacityBytes);
    this.#view = viewOf(this.bytes);
  }

  /** Forgets what was written; the buffer stays. */
  clear(): void {
    this.length = 0;
  }

  /**
   * Hands the written bytes over as they are, and goes on behind them if there is room for `neededBytes`; else starts a
   * new buffer of `capacityBytes`.
   */
  detach(capacityBytes = 256, neededBytes = capacityBytes): Buffer {
    const { bytes, length } = this;
    const hasRoom = bytes.length - length >= neededBytes;
    this.bytes = hasRoom ? bytes.subarray(length) : Buffer.allocUnsafe(capacityBytes);
    this.#view = viewOf(this.bytes);
    this.length = 0;
    return bytes.subarray(0, length);
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }

  /**
   * Makes room for `count` more bytes and returns the offset at which they begin; the caller fills them. It may replace
   * the buffer and its view, so it comes in a statement of its own before they are touched.
   */
  reserve(count: number): number {
    const at = this.length;
    const needed = at + count;
    if (needed > this.bytes.length) {
      this.#grow(needed);
    }
    this.length = needed;
    return at;
  }

  #grow(needed: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }

  boolean(value: boolean): void {
    const at = this.reserve(1);
    this.bytes[at] = value ? 1 : 0;
  }

  /** The low 32 bits, as Java's arithmetic wraps. */
  int(value: number): void {
    const at = this.reserve(4);
    this.#view.setInt32(at, value);
  }

  /** Overwrites four bytes written before, e.g. a length that is known only now. */
  setInt(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  /**
   * A bigint (its low 64 bits), or a number that is a safe integer: zxids and times are numbers inside the server.
   * Throws JuteError for other numbers, which have lost bits already.
   */
  long(value: bigint | number): void {
    if (typeof value === 'bigint') {
      const at = this.reserve(8);
      this.#view.setBigInt64(at, value);
      return;
    }
    if (!Number.isSafeInteger(value)) {
      throw new JuteError('OUT_OF_RANGE', `${value} is not a safe integer; give a bigint`);
    }
    const at = this.reserve(8);
    this.#view.setInt32(at, Math.floor(value / TWO_32));
    this.#view.setInt32(at + 4, value | 0);
  }

  /**
   * Valid UTF-8 always: a character above U+FFFF takes four bytes and a lone surrogate becomes U+FFFD. The Java server
   * writes surrogates one by one, three bytes each, which no strict reader (its own included) takes back.
   */
  ustring(value: string | null): void {
    if (value === null) {
      this.int(-1);
      return;
    }
    const chars = value.length;
    if (chars <= LOOP_CHARS_MAX && this.#shortAscii(value, chars)) {
      return;
    }
    // One unit of UTF-16 takes at most three bytes of UTF-8: make room for that, and give back what was not used.
    const at = this.reserve(4 + 3 * chars);
    const length = utf8Write.call(this.bytes, value, at + 4, 3 * chars);
    this.#view.setInt32(at, length);
    this.length = at + 4 + length;
  }

  /** Writes the text if it is ASCII; else leaves everything as it was. */
  #shortAscii(value: string, chars: number): boolean {
    const at = this.reserve(4 + chars);
    const bytes = this.bytes;
    for (let i = 0; i < chars; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) {
        this.length = at;
        return false;
      }
      bytes[at + 4 + i] = unit;
    }
    this.#view.setInt32(at, chars);
    return true;
  }

  buffer(value: Uint8Array | null): void {
    if (value === null) {
      this.int(-1);
      return;
    }
    const at = this.reserve(4 + value.length);
    this.#view.setInt32(at, value.length);
    this.bytes.set(value, at + 4);
  }

  /** Bytes as they are, without a length. */
  raw(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.bytes.set(value, at);
  }
}
