import { JuteError } from './errors.ts';

/** One string or buffer may have this many bytes unless the reader is told otherwise: 2 × 0xfffff. */
export const FIELD_LENGTH_BYTES_MAX_DEFAULT = 2 * 0xfffff;

const utf8Slice = Buffer.prototype.utf8Slice as (this: Uint8Array, start: number, end: number) => string;
const latin1Slice = Buffer.prototype.latin1Slice as (this: Uint8Array, start: number, end: number) => string;

/**
 * Reads jute primitives out of bytes, bounds-checked: it never reads outside [start, end) and never allocates more
 * than the bytes at hand can fill. One reader may be pointed at many byte ranges in turn (`reset`).
 */
export class JuteReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #position = 0;
  #end = 0;
  readonly #fieldLengthBytesMax: number;

  constructor(bytes?: Uint8Array, fieldLengthBytesMax: number = FIELD_LENGTH_BYTES_MAX_DEFAULT) {
    this.#fieldLengthBytesMax = fieldLengthBytesMax;
    if (bytes !== undefined) {
      this.reset(bytes, 0, bytes.length);
    }
  }

  /** Points the reader at bytes[start, end). Cheap when the bytes are those of the last call. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#position = start;
    this.#end = end;
  }

  /** Offset of the next byte to read. */
  get position(): number {
    return this.#position;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#end - this.#position;
  }

  #take(count: number): number {
    const at = this.#position;
    const next = at + count;
    if (next > this.#end) {
      throw new JuteError('TRUNCATED', `${count} bytes wanted at offset ${at}, ${this.#end - at} left`);
    }
    this.#position = next;
    return at;
  }

  boolean(): boolean {
    return this.#view.getUint8(this.#take(1)) !== 0;
  }

  int(): number {
    return this.#view.getInt32(this.#take(4));
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  /** The length of a string or buffer: −1 for null, else checked against the limit and the bytes left. */
  #length(): number {
    const at = this.#position;
    const length = this.int();
    if (length < -1 || length > this.#fieldLengthBytesMax) {
      throw new JuteError(
        'UNREASONABLE_LENGTH',
        `length ${length} at offset ${at}, limit ${this.#fieldLengthBytesMax}`,
      );
    }
    return length;
  }

  /** Text; malformed UTF-8 becomes U+FFFD. */
  nullableUstring(): string | null {
    const length = this.#length();
    if (length <= 0) {
      return length === 0 ? '' : null;
    }
    const start = this.#take(length);
    const end = start + length;
    const bytes = this.#bytes;
    // Paths are nearly always ASCII, for which the one-byte decoder is the faster one.
    for (let i = start; i < end; i++) {
      if (bytes[i] >= 0x80) {
        return utf8Slice.call(bytes, start, end);
      }
    }
    return latin1Slice.call(bytes, start, end);
  }

  ustring(): string {
    const at = this.#position;
    const text = this.nullableUstring();
    if (text === null) {
      throw new JuteError('UNEXPECTED_NULL', `null string at offset ${at}`);
    }
    return text;
  }

  /** A copy of the bytes, so that it may outlive the frame it came in. */
  nullableBuffer(): Uint8Array | null {
    const length = this.#length();
    if (length < 0) {
      return null;
    }
    const start = this.#take(length);
    return this.#bytes.slice(start, start + length);
  }

  buffer(): Uint8Array {
    const at = this.#position;
    const bytes = this.nullableBuffer();
    if (bytes === null) {
      throw new JuteError('UNEXPECTED_NULL', `null buffer at offset ${at}`);
    }
    return bytes;
  }

  /**
   * The count of a vector: −1 for null, 0 for any other negative count (as Java reads it). Every element takes at
   * least one byte, so a count above the bytes left is refused before anything is allocated for it.
   */
  nullableCount(): number {
    const at = this.#position;
    const count = this.int();
    if (count > this.remaining) {
      throw new JuteError('UNREASONABLE_LENGTH', `${count} elements at offset ${at}, ${this.remaining} bytes left`);
    }
    return count < -1 ? 0 : count;
  }

  count(): number {
    const at = this.#position;
    const count = this.nullableCount();
    if (count < 0) {
      throw new JuteError('UNEXPECTED_NULL', `null vector at offset ${at}`);
    }
    return count;
  }
}
