/** What happens to files on disks. */
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Random } from '../random.ts';

/** One bit is another one, a page is as if it had never been written, the end is missing, or the file. */
export type Damage = 'flipped' | 'zeroed' | 'cut' | 'gone' | 'altered';
export const damages: readonly Damage[] = ['flipped', 'zeroed', 'cut', 'gone'];
export type FileKind = 'log' | 'snapshot';

const PAGE_BYTES = 4096;
/** In the values that clients write. */
const FILLING = 'x'.repeat(32);
/** A checksum of 8 bytes and a string of 5. */
const SEAL_BYTES = 13;
/** What may lie behind each seal (disk-format.md §3.1). The last one is right in every snapshot: it is tried last. */
const TRAILERS: readonly (readonly number[])[] = [[54, 21, 0], [33, 0], [21, 0], [0]];

/** Says what was done. */
export function damageFile(file: string, damage: Damage, random: Random): string {
  const { size } = statSync(file);
  const at = Math.floor(endOfContent(file) * (0.1 + 0.9 * random.next()));
  if (damage === 'gone') {
    rmSync(file);
  } else if (damage === 'cut') {
    truncateSync(file, at);
  } else {
    const bytes = readFileSync(file);
    change(bytes, damage, at, random);
    writeFileSync(file, bytes);
  }
  return `${basename(file)} ${damage} at ${at} of ${size}`;
}

function change(bytes: Buffer, damage: 'flipped' | 'zeroed' | 'altered', at: number, random: Random): void {
  if (damage === 'altered') {
    alterSnapshot(bytes, at);
  } else if (damage === 'zeroed') {
    const page = at - (at % PAGE_BYTES);
    bytes.fill(0, page, Math.min(page + PAGE_BYTES, bytes.length));
  } else {
    bytes[at] ^= 1 << random.below(8);
  }
}

/** Logs end with zeros that belong to nobody yet. */
function endOfContent(file: string): number {
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (end > 1 && bytes[end - 1] === 0) {
    end--;
  }
  return end;
}

/** Another value of a node, under checksums that are right: only the digest of the tree can tell. False: not done. */
export function alterSnapshot(bytes: Buffer, near: number): boolean {
  const behind = bytes.indexOf(FILLING, near);
  const place = behind === -1 ? bytes.lastIndexOf(FILLING, near) : behind;
  const seals = TRAILERS.map((trailer) => trailer.map((after) => bytes.length - after - SEAL_BYTES)).find(([first]) => {
    return first > 0 && bytes.readBigInt64BE(first) === sumOf(bytes, first);
  });
  if (place === -1 || seals === undefined) {
    return false;
  }
  bytes[place] = 'y'.charCodeAt(0);
  for (const seal of seals) {
    bytes.writeBigInt64BE(sumOf(bytes, seal), seal);
  }
  return true;
}

/** Adler-32 (RFC 1950) of the first bytes. */
function sumOf(bytes: Buffer, end: number): bigint {
  let [a, b] = [1, 0];
  for (let i = 0; i < end; i++) {
    a = (a + bytes[i]) % 65521;
    b = (b + a) % 65521;
  }
  return BigInt(b * 65536 + a);
}
