/** Makes other inputs out of those there are. */
import type { SeededRandom } from '../../src/host/node-random.ts';

const NUMBERS = [0, 1, -1, 2, 7, 0x7f, 0x80, 0xff, 0x7fff, 0x7fffffff, -0x80000000, 0xfffff, 0x100000, 0x200000];
const TEXT = [
  '=',
  ':',
  ';',
  ',',
  '.',
  '/',
  '"',
  '\\',
  '\n',
  '#',
  '-',
  '0',
  '1',
  '9',
  'true',
  'null',
  ' ',
  '\u0000',
  'é',
];
const ROUNDS_MAX = 4;
const SIZE_BYTES_MAX = 4096;

export class Mutator {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  below(end: number): number {
    return Math.floor(this.#random.next() * end);
  }

  anyOf<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  mutate(corpus: readonly Uint8Array[]): Uint8Array {
    let bytes = Buffer.from(this.anyOf(corpus));
    for (let left = 1 + this.below(ROUNDS_MAX); left > 0; left--) {
      bytes = this.#once(bytes, this.anyOf(corpus));
    }
    return new Uint8Array(bytes.subarray(0, SIZE_BYTES_MAX));
  }

  #once(bytes: Buffer, other: Uint8Array): Buffer<ArrayBuffer> {
    const copy = Buffer.from(bytes);
    const at = this.below(copy.length + 1);
    const end = Math.min(copy.length, at + 1 + this.below(8));
    switch (this.below(9)) {
      case 0:
        return this.#set(copy, at, (byte) => byte ^ (1 << this.below(8)));
      case 1:
        return this.#set(copy, at, () => this.below(256));
      case 2:
        return this.#number(copy, at);
      case 3:
        return Buffer.concat([copy.subarray(0, at), copy.subarray(end)]);
      case 4:
        return Buffer.concat([copy.subarray(0, end), copy.subarray(at)]);
      case 5:
        return Buffer.concat([copy.subarray(0, at), Buffer.from(this.anyOf(TEXT)), copy.subarray(at)]);
      case 6:
        return copy.subarray(0, at);
      case 7: {
        const from = this.below(other.length + 1);
        return Buffer.concat([
          copy.subarray(0, at),
          other.subarray(from, from + 1 + this.below(64)),
          copy.subarray(end),
        ]);
      }
      default:
        return Buffer.concat([copy.subarray(0, at), other.subarray(this.below(other.length + 1))]);
    }
  }

  #set(bytes: Buffer<ArrayBuffer>, at: number, to: (byte: number) => number): Buffer<ArrayBuffer> {
    if (at < bytes.length) {
      bytes[at] = to(bytes[at]) & 0xff;
    }
    return bytes;
  }

  /** Lengths, counts and types are mostly ints. */
  #number(bytes: Buffer<ArrayBuffer>, at: number): Buffer<ArrayBuffer> {
    const number = this.#random.next() < 0.3 ? this.below(40) : this.anyOf(NUMBERS);
    if (at + 4 <= bytes.length) {
      bytes.writeInt32BE(number | 0, at);
    } else if (at < bytes.length) {
      bytes[at] = number & 0xff;
    }
    return bytes;
  }
}
