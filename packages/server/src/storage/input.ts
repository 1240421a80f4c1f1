/** Reads files front to back in pieces, so that a snapshot of any size costs the memory of one piece. */
import type { Area, FileSource } from '../io/disk.ts';
import { ADLER32_START, adler32 } from './adler32.ts';

/** Gives the next piece of a file; null at its end. */
export type NextChunk = () => Uint8Array | null;

export const CHUNK_BYTES = 4 * 1024 * 1024;

/** A file as it lies on the disk. */
export function chunksOf(disk: FileSource, area: Area, name: string): NextChunk {
  let position = 0;
  return () => {
    const chunk = disk.read(area, name, position, CHUNK_BYTES);
    position += chunk.length;
    return chunk.length === 0 ? null : chunk;
  };
}

const NO_BYTES = Buffer.alloc(0);

/** A window that moves over a file: what is being read lies in bytes[position, end). */
export class FileInput {
  /** Replaced by `ensure`. */
  bytes: Buffer = NO_BYTES;
  position = 0;
  readonly #nextChunk: NextChunk;
  /** Offset of bytes[0] in the file. */
  #base = 0;
  #adler = ADLER32_START;
  /** bytes[0, #summed) are in #adler. */
  #summed = 0;

  constructor(nextChunk: NextChunk) {
    this.#nextChunk = nextChunk;
  }

  get end(): number {
    return this.bytes.length;
  }

  /** Offset in the (uncompressed) file of the next byte to read. */
  get offset(): number {
    return this.#base + this.position;
  }

  /** Brings at least `count` bytes from `position` into the window; false if the file ends before. */
  ensure(count: number): boolean {
    if (this.bytes.length - this.position >= count) {
      return true;
    }
    this.#sum();
    const parts: Uint8Array[] = [this.bytes.subarray(this.position)];
    let available = parts[0].length;
    while (available < count) {
      const chunk = this.#nextChunk();
      if (chunk === null) {
        break;
      }
      parts.push(chunk);
      available += chunk.length;
    }
    if (parts.length > 1) {
      this.#base += this.position;
      this.bytes = joined(parts, available);
      this.position = 0;
      this.#summed = 0;
    }
    return available >= count;
  }

  /** Adler-32 of everything before `position`. */
  checksum(): number {
    this.#sum();
    return this.#adler;
  }

  #sum(): void {
    this.#adler = adler32(this.#adler, this.bytes, this.#summed, this.position);
    this.#summed = this.position;
  }
}

function joined(parts: Uint8Array[], length: number): Buffer {
  const [rest, first] = parts;
  if (rest.length === 0 && parts.length === 2) {
    return Buffer.from(first.buffer, first.byteOffset, first.length);
  }
  return Buffer.concat(parts, length);
}
