/** Adler-32 (RFC 1950), the checksum of log records and snapshots, computed piece by piece. */

/** The checksum of no bytes. */
export const ADLER32_START = 1;

const MODULUS = 65521;
/** So many bytes can be summed before the sums have to be reduced to stay below 2^31. */
const RUN_BYTES = 3800;

/** Carries `checksum` on over bytes[start, end). Unsigned 32 bits. */
export function adler32(checksum: number, bytes: Uint8Array, start: number, end: number): number {
  let a = checksum & 0xffff;
  let b = checksum >>> 16;
  let at = start;
  while (at < end) {
    const runEnd = Math.min(at + RUN_BYTES, end);
    // Eight bytes a step: the sums of one step do not wait for each other.
    for (; at + 8 <= runEnd; at += 8) {
      const x0 = bytes[at];
      const x1 = bytes[at + 1];
      const x2 = bytes[at + 2];
      const x3 = bytes[at + 3];
      const x4 = bytes[at + 4];
      const x5 = bytes[at + 5];
      const x6 = bytes[at + 6];
      const x7 = bytes[at + 7];
      b += 8 * (a + x0) + 7 * x1 + 6 * x2 + 5 * x3 + 4 * x4 + 3 * x5 + 2 * x6 + x7;
      a += x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
    }
    for (; at < runEnd; at++) {
      a += bytes[at];
      b += a;
    }
    a %= MODULUS;
    b %= MODULUS;
  }
  return ((b << 16) | a) >>> 0;
}
