/** What a run did, as one hash: every step of the disk, every byte to a client, every turn and fault, in order. */
import { createHash } from 'node:crypto';

const BUFFER_BYTES = 32 * 1024;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  readonly #print: ((line: string) => void) | null;
  #length = 0;

  /** `print` gets the run in words, for whoever looks into a failing seed. */
  constructor(print: ((line: string) => void) | null = null) {
    this.#print = print;
  }

  /** Whether somebody reads the words: they are made only then. */
  get isTold(): boolean {
    return this.#print !== null;
  }

  /** In words, for a reader; no part of the hash. */
  tell(line: string): void {
    this.#print?.(line);
  }

  /** Something happened: a name and two numbers say what, and the bytes that went over the seam. */
  record(what: string, a: number, b: number, bytes?: Uint8Array): void {
    if (this.#length + 3 * what.length + 24 > BUFFER_BYTES) {
      this.#flush();
    }
    const buffer = this.#buffer;
    let at = this.#length;
    at += buffer.write(what, at);
    at = buffer.writeDoubleBE(a, at);
    at = buffer.writeDoubleBE(b, at);
    this.#length = buffer.writeDoubleBE(bytes === undefined ? -1 : bytes.length, at);
    if (bytes !== undefined) {
      this.#append(bytes);
    }
  }

  #append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > BUFFER_BYTES) {
      this.#flush();
    }
    if (bytes.length > BUFFER_BYTES) {
      this.#hash.update(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }

  /** Ends the trace. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex').slice(0, 16);
  }
}
