/** The bytes of a simulated file: they grow in place, as those of a file do. */

const CAPACITY_BYTES_MIN = 512;

export class FileBytes {
  #buffer: Buffer;
  #length: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#buffer = Buffer.alloc(Math.max(bytes.length, CAPACITY_BYTES_MIN));
    this.#buffer.set(bytes);
    this.#length = bytes.length;
  }

  get length(): number {
    return this.#length;
  }

  /** As they are now, not as they will be: not to be kept. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  copy(): Buffer {
    return Buffer.from(this.bytes);
  }

  /** A copy of what there is of a stretch. */
  read(position: number, length: number): Buffer {
    return Buffer.from(
      this.#buffer.subarray(Math.min(position, this.#length), Math.min(position + length, this.#length)),
    );
  }

  /** Behind the end, zeros come first. */
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (end > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#buffer.length));
      grown.set(this.bytes);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, position);
    this.#length = Math.max(this.#length, end);
  }

  /** Cuts the file, or fills it up with zeros. */
  truncate(length: number): void {
    if (length < this.#length) {
      this.#buffer.fill(0, length, this.#length); // a later write may leave a gap
      this.#length = length;
    } else if (length > this.#length) {
      this.write(length, new Uint8Array(0));
    }
  }

  flip(position: number, mask: number): void {
    this.#buffer[position] ^= mask;
  }
}
