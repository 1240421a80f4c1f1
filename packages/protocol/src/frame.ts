/** Frames: a 4-byte big-endian length, then that many bytes (client-protocol.md §1.2). */

/** Thrown by FrameReader: the stream cannot be followed any further; close it. */
export class FrameLengthError extends Error {
  override readonly name = 'FrameLengthError';
  readonly length: number;

  constructor(length: number, limit: number) {
    super(`frame length ${length}, limit ${limit}`);
    this.length = length;
  }
}

/**
 * Cuts a byte stream into whole frames, however it is fragmented. A frame that lies whole in one chunk is handed out in
 * place; one that is spread over chunks is put together once, in a buffer of its size that grows with the bytes that
 * have really come (a length alone never makes us allocate).
 */
export class FrameReader {
  readonly #frameBytesMax: number;
  #partial: Buffer | null = null;
  #partialLength = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes held of a frame that is not whole yet. */
  get bufferedBytes(): number {
    return this.#partialLength;
  }

  /**
   * Takes the next chunk and calls `onFrame(bytes, start, end)` for every whole frame, in order. `onFrame` returns false
   * to stop; the rest of the chunk is then kept for the next call (give that call an empty chunk to go on). The bytes
   * are valid during the call only.
   */
  push(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => boolean): void {
    let bytes = chunk;
    if (this.#partial !== null) {
      bytes = this.#append(chunk);
    }
    const end = bytes.length;
    let at = 0;
    let going = true;
    while (going && end - at >= 4) {
      const length = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
      if (length < 0 || length > this.#frameBytesMax) {
        throw new FrameLengthError(length, this.#frameBytesMax);
      }
      const frameEnd = at + 4 + length;
      if (frameEnd > end) {
        break;
      }
      going = onFrame(bytes, at + 4, frameEnd);
      at = frameEnd;
    }
    this.#keep(bytes, at);
  }

  #append(chunk: Uint8Array): Uint8Array {
    const partial = this.#partial as Buffer;
    const length = this.#partialLength + chunk.length;
    let whole = partial;
    if (length > partial.length) {
      whole = Buffer.allocUnsafeSlow(Math.max(length, Math.min(partial.length * 2, this.#frameBytesMax + 4)));
      whole.set(partial.subarray(0, this.#partialLength));
    }
    whole.set(chunk, this.#partialLength);
    this.#partial = whole;
    this.#partialLength = length;
    return whole.subarray(0, length);
  }

  /** Keeps bytes[from, end) for the next push. */
  #keep(bytes: Uint8Array, from: number): void {
    const rest = bytes.length - from;
    if (rest === 0) {
      this.#partial = null;
    } else if (this.#partial !== null) {
      this.#partial.copyWithin(0, from, bytes.length);
    } else {
      this.#partial = Buffer.allocUnsafeSlow(rest);
      this.#partial.set(bytes.subarray(from));
    }
    this.#partialLength = rest;
  }
}
