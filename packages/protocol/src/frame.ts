/** Frames: a 4-byte big-endian length, then that many bytes (client-protocol.md §1.2). */

const FRAME_PREFIX_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** Thrown by FrameReader: the stream cannot be followed any further; close it. */
export class FrameLengthError extends Error {
  override readonly name = 'FrameLengthError';
  readonly length: number;

  constructor(length: number, limit: number) {
    super(`frame length ${length}, limit ${limit}`);
    this.length = length;
  }
}

/** Takes one frame, bytes[start, end), and says whether to go on. */
export type OnFrame = (bytes: Uint8Array, start: number, end: number) => boolean;

/**
 * Cuts a byte stream into whole frames, however it is fragmented. A frame that lies whole in one chunk is handed out in
 * place; one that is spread over chunks is put together first, in a buffer that grows with the bytes that have really
 * come (a length alone never makes us allocate).
 */
export class FrameReader {
  readonly #frameBytesMax: number;
  /** #held[#heldStart, #heldEnd) are bytes of earlier chunks: part of a frame, or whatever followed a stop. */
  #held: Buffer = NOTHING;
  #heldStart = 0;
  #heldEnd = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes held back for the next call. */
  get bufferedBytes(): number {
    return this.#heldEnd - this.#heldStart;
  }

  /**
   * Takes the next chunk and calls `onFrame` for every whole frame, in order. `onFrame` returns false to stop; the rest
   * is then kept for the next call (give that call an empty chunk to go on). The bytes are valid during the call only.
   * Throws FrameLengthError at a length that is negative or above the limit, before any byte of that frame has come.
   */
  push(chunk: Uint8Array, onFrame: OnFrame): void {
    let at = 0;
    while (this.#heldEnd > this.#heldStart) {
      // Fetch what the first held frame still lacks: its prefix first, then its body.
      at += this.#hold(chunk, at, FRAME_PREFIX_BYTES - this.bufferedBytes);
      if (this.bufferedBytes < FRAME_PREFIX_BYTES) {
        return;
      }
      const size = FRAME_PREFIX_BYTES + this.#lengthAt(this.#held, this.#heldStart);
      at += this.#hold(chunk, at, size - this.bufferedBytes);
      if (this.bufferedBytes < size) {
        return;
      }
      const start = this.#heldStart;
      this.#heldStart += size;
      if (!onFrame(this.#held, start + FRAME_PREFIX_BYTES, start + size)) {
        this.#hold(chunk, at, chunk.length - at);
        return;
      }
    }
    this.#held = NOTHING;
    this.#heldStart = this.#heldEnd = 0;
    at = this.#cutInPlace(chunk, at, onFrame);
    this.#hold(chunk, at, chunk.length - at);
  }

  /** Takes the next chunk without handing anything out: it waits for the next `push`. */
  keep(chunk: Uint8Array): void {
    this.#hold(chunk, 0, chunk.length);
  }

  /** Hands out the whole frames of chunk[at…] and returns where the rest begins. */
  #cutInPlace(chunk: Uint8Array, from: number, onFrame: OnFrame): number {
    const end = chunk.length;
    let at = from;
    while (end - at >= FRAME_PREFIX_BYTES) {
      const start = at + FRAME_PREFIX_BYTES;
      const frameEnd = start + this.#lengthAt(chunk, at);
      if (frameEnd > end) {
        break;
      }
      at = frameEnd;
      if (!onFrame(chunk, start, frameEnd)) {
        break;
      }
    }
    return at;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    if (length < 0 || length > this.#frameBytesMax) {
      throw new FrameLengthError(length, this.#frameBytesMax);
    }
    return length;
  }

  /** Appends up to `count` bytes of chunk[at…] to the held ones; returns how many it took. */
  #hold(chunk: Uint8Array, at: number, count: number): number {
    const taken = Math.min(count, chunk.length - at);
    if (taken <= 0) {
      return 0;
    }
    if (this.#heldEnd + taken > this.#held.length) {
      const heldBytes = this.bufferedBytes;
      const doubled = Math.min(2 * heldBytes, FRAME_PREFIX_BYTES + this.#frameBytesMax);
      const grown = Buffer.allocUnsafeSlow(Math.max(heldBytes + taken, doubled));
      grown.set(this.#held.subarray(this.#heldStart, this.#heldEnd));
      this.#held = grown;
      this.#heldStart = 0;
      this.#heldEnd = heldBytes;
    }
    this.#held.set(chunk.subarray(at, at + taken), this.#heldEnd);
    this.#heldEnd += taken;
    return taken;
  }
}
