import { JuteError } from './errors.ts';
import { textOf } from './text.ts';

/** One string or buffer may have this many bytes unless the reader is told otherwise: 2 × 0xfffff. */
export const FIELD_LENGTH_BYTES_MAX_DEFAULT = 2 * 0xfffff;

/** Copies of up to SLAB_COPY_BYTES_MAX share a slab: an ArrayBuffer for each would cost four times as much. */
const SLAB_BYTES = 32768;
const SLAB_COPY_BYTES_MAX = 2048;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsedBytes = 0;

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** A plain Uint8Array, whatever `bytes` is: `slice` of a Buffer would be a view and not a copy. */
function copyOf(bytes: Uint8Array, start: number, length: number): Uint8Array {
  const source = new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
  if (length > SLAB_COPY_BYTES_MAX) {
    return source.slice();
  }
  if (slabUsedBytes + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsedBytes = 0;
  }
  const copy = new Uint8Array(slab, slabUsedBytes, length);
  slabUsedBytes += length;
  copy.set(source);
  return copy;
}

/**
 * Reads jute primitives out of bytes, bounds-checked: it never reads outside [start, end) and never allocates more
 * than the bytes at hand can fill. One reader may be pointed at many byte ranges in turn (`reset`).
 */
export class JuteReader {
  #bytes: Uint8Array = NO_BYTES;
  #view: DataView = NO_VIEW;
  #position = 0;
  #end = 0;
  readonly #fieldLengthBytesMax: number;
  readonly #copies: boolean;

  /** `copies`: false if nobody will change the bytes ever again; buffers are then views of them instead of copies. */
  constructor(bytes?: Uint8Array, fieldLengthBytesMax: number = FIELD_LENGTH_BYTES_MAX_DEFAULT, copies = true) {
    this.#fieldLengthBytesMax = fieldLengthBytesMax;
    this.#copies = copies;
    if (bytes !== undefined) {
      this.reset(bytes, 0, bytes.length);
    }
  }

  /** Points the reader at bytes[start, end), which must lie inside. Cheap when the bytes are those of the last call. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (start < 0 || end < start || end > bytes.length) {
      throw new RangeError(`[${start}, ${end}) is outside of ${bytes.length} bytes`);
    }
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

  /** Text, null for length −1. Malformed UTF-8 becomes U+FFFD, as in Java: a surrogate of its own is one. */
  nullableUstring(): string | null {
    const length = this.#length();
    if (length <= 0) {
      return length === 0 ? '' : null;
    }
    return this.text(length);
  }

  /** Text of so many bytes, without a length in front. */
  text(lengthBytes: number): string {
    const start = this.#take(lengthBytes);
    return textOf(this.#bytes, start, start + lengthBytes);
  }

  ustring(): string {
    const at = this.#position;
    const text = this.nullableUstring();
    if (text === null) {
      throw new JuteError('UNEXPECTED_NULL', `null string at offset ${at}`);
    }
    return text;
  }

  /** A copy of the bytes, so that it may outlive the frame it came in, unless the reader was told not to copy. */
  nullableBuffer(): Uint8Array | null {
    const length = this.#length();
    if (length < 0) {
      return null;
    }
    const at = this.#take(length);
    const bytes = this.#bytes;
    return this.#copies ? copyOf(bytes, at, length) : new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
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
   * The count of a vector: −1 for null, 0 for any other negative count (as Java reads it). A count of more elements
   * than fit into the bytes left, at `elementBytesMin` each, is refused before anything is read or allocated for it.
   */
  nullableCount(elementBytesMin = 1): number {
    const at = this.#position;
    const count = this.int();
    if (count * elementBytesMin > this.remaining) {
      throw new JuteError('UNREASONABLE_LENGTH', `${count} elements at offset ${at}, ${this.remaining} bytes left`);
    }
    return count < -1 ? 0 : count;
  }

  count(elementBytesMin = 1): number {
    const at = this.#position;
    const count = this.nullableCount(elementBytesMin);
    if (count < 0) {
      throw new JuteError('UNEXPECTED_NULL', `null vector at offset ${at}`);
    }
    return count;
  }
}
