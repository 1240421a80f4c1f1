/**
 * CRC-32 (the one of zlib) on ranges of bytes, continued from an earlier result: crc32(b, crc32(a)) is that of a‖b.
 *
 * Most inputs are short: a stat has 60 bytes, a path 30. For these a call into zlib costs 180 to 270 ns before the
 * first byte, where slicing in JavaScript takes 50 to 75 ns in all; zlib wins from about 450 bytes on.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

const POLYNOMIAL = 0xedb88320;
const SLICES = 12;
const ZLIB_BYTES_MIN = 450;

/** tables[k][b]: what byte b contributes when k more bytes follow it in the same step. */
const tables: readonly Int32Array[] = buildTables();
const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11] = tables;

function buildTables(): Int32Array[] {
  const built = Array.from({ length: SLICES }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) {
      register = (register & 1) === 0 ? register >>> 1 : POLYNOMIAL ^ (register >>> 1);
    }
    built[0][byte] = register;
  }
  for (let slice = 1; slice < SLICES; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const shorter = built[slice - 1][byte];
      built[slice][byte] = built[0][shorter & 0xff] ^ (shorter >>> 8);
    }
  }
  return built;
}

/** The table of the byte-by-byte form, for a caller that meets the bytes one by one (path-bytes.ts). */
export const BYTE_TABLE: Int32Array = T0;

/** CRC-32 of bytes[start, end), continued from `seed` (0 to begin): 0 … 2^32 − 1. */
export function crc32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  if (end - start >= ZLIB_BYTES_MIN) {
    const isWhole = start === 0 && end === bytes.length; // a view costs as much as 300 bytes
    return zlibCrc32(isWhole ? bytes : bytes.subarray(start, end), seed);
  }
  let c = ~seed;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    c =
      T7[(c ^ bytes[i]) & 0xff] ^
      T6[((c >>> 8) ^ bytes[i + 1]) & 0xff] ^
      T5[((c >>> 16) ^ bytes[i + 2]) & 0xff] ^
      T4[(c >>> 24) ^ bytes[i + 3]] ^
      T3[bytes[i + 4]] ^
      T2[bytes[i + 5]] ^
      T1[bytes[i + 6]] ^
      T0[bytes[i + 7]];
  }
  for (; i < end; i++) {
    c = T0[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  }
  return ~c >>> 0;
}

/** x to the power of 2^k modulo the polynomial, for each k: what a CRC is multiplied by when 2^k bits follow. */
const POWERS: readonly number[] = buildPowers();

function buildPowers(): number[] {
  const powers = [0x40000000]; // x; the highest bit stands for x^0
  while (powers.length < 32) {
    const last = powers[powers.length - 1];
    powers.push(multiply(last, last));
  }
  return powers;
}

/** The product of two polynomials of degree below 32, modulo the CRC's. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let rest = a; rest !== 0; rest <<= 1) {
    if (rest < 0) {
      product ^= shifted;
    }
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product;
}

/** The last length asked for: values of one program tend to be of one size. */
let factorBytes = 0;
let factor = 1 << 31;

/**
 * CRC-32 of a‖b from those of a and of b, which has `lengthBytes` bytes: none of them is looked at again. 60 ns when
 * the length is that of the last call.
 */
export function crc32Joined(crcA: number, crcB: number, lengthBytes: number): number {
  if (lengthBytes !== factorBytes) {
    factorBytes = lengthBytes;
    factor = 1 << 31;
    for (let bits = lengthBytes, k = 3; bits > 0; bits = Math.floor(bits / 2), k++) {
      factor = bits % 2 === 0 ? factor : multiply(POWERS[k & 31], factor);
    }
  }
  return (multiply(factor, crcA | 0) ^ crcB) >>> 0;
}

/** CRC-32 of the 60 bytes of `view` at `start`, continued from `seed`: five steps of twelve bytes. */
export function crc32OfSixty(view: DataView, start: number, seed: number): number {
  let c = ~seed;
  for (let i = start; i < start + 60; i += SLICES) {
    c ^= view.getInt32(i, true);
    const d = view.getInt32(i + 4, true);
    const e = view.getInt32(i + 8, true);
    c =
      T11[c & 0xff] ^
      T10[(c >>> 8) & 0xff] ^
      T9[(c >>> 16) & 0xff] ^
      T8[c >>> 24] ^
      T7[d & 0xff] ^
      T6[(d >>> 8) & 0xff] ^
      T5[(d >>> 16) & 0xff] ^
      T4[d >>> 24] ^
      T3[e & 0xff] ^
      T2[(e >>> 8) & 0xff] ^
      T1[(e >>> 16) & 0xff] ^
      T0[e >>> 24];
  }
  return ~c >>> 0;
}
