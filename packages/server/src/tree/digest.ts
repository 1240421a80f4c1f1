/**
 * The tree digest, version 2 (disk-format.md §4): the sum, modulo 2^64, of one CRC-32 per node, over its path, its data
 * and 60 bytes of stat. The functions here are pure: the leader uses them to know the digest before it applies.
 */
import type { JuteWriter } from '@treekeeper/protocol';
import { crc32, crc32Joined, crc32OfSixty } from './crc32.ts';
import { PathBytes } from './path-bytes.ts';

const TWO_32 = 4294967296;

/** Whether the node of that path has a share in the digest: `/zookeeper` itself does, all below it does not. */
export function countsInDigest(path: string): boolean {
  return !path.startsWith('/zookeeper/');
}

const scratchPath = new PathBytes();
const scratchStat = new DataView(new ArrayBuffer(60));

/**
 * CRC-32 of path bytes ‖ data, where the digest of a node begins, from that of the data; the root is "" or "/", null
 * data counts as none.
 */
export function contentCrc(path: string, dataCrc: number, dataLength: number): number {
  scratchPath.encode(path);
  return crc32Joined(scratchPath.crc, dataCrc, dataLength);
}

/** CRC-32 of data; null data counts as none. */
export function dataCrcOf(data: Uint8Array | null): number {
  return data === null ? 0 : crc32(data, 0, data.length, 0);
}

/**
 * The share of one node in the tree digest: 0 … 2^32 − 1. zxids and times are safe integers, cversion is the persisted
 * one, owner the stored one; `contentCrc` as above.
 */
export function nodeDigest(
  path: string,
  contentCrc: number,
  czxid: number,
  mzxid: number,
  pzxid: number,
  ctimeMs: number,
  mtimeMs: number,
  version: number,
  cversion: number,
  aversion: number,
  owner: bigint,
): number {
  if (!countsInDigest(path)) {
    return 0;
  }
  writeLong(scratchStat, 0, czxid);
  writeLong(scratchStat, 8, mzxid);
  writeLong(scratchStat, 16, pzxid);
  writeLong(scratchStat, 24, ctimeMs);
  writeLong(scratchStat, 32, mtimeMs);
  scratchStat.setInt32(40, version);
  scratchStat.setInt32(44, cversion);
  scratchStat.setInt32(48, aversion);
  scratchStat.setBigInt64(52, owner);
  return crc32OfSixty(scratchStat, 0, contentCrc);
}

/** Writes a safe integer as eight bytes, big-endian. */
export function writeLong(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / TWO_32));
  view.setInt32(at + 4, value | 0);
}

/** Reads eight bytes, big-endian, as a number: exact for safe integers. */
export function readLong(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
}

/** A running sum modulo 2^64 in two halves, so that a change costs no bigint. */
export class DigestSum {
  /** 0 … 2^32 − 1 */
  #low = 0;
  /** Signed 32 bits. */
  #high = 0;

  static of(value: bigint): DigestSum {
    const sum = new DigestSum();
    sum.#low = Number(BigInt.asUintN(32, value));
    sum.#high = Number(BigInt.asIntN(32, value >> 32n));
    return sum;
  }

  copy(): DigestSum {
    const copy = new DigestSum();
    copy.#low = this.#low;
    copy.#high = this.#high;
    return copy;
  }

  equals(other: DigestSum): boolean {
    return this.#low === other.#low && this.#high === other.#high;
  }

  /** Appends the sum as eight bytes. */
  write(writer: JuteWriter): void {
    writer.int(this.#high);
    writer.int(this.#low);
  }

  /** Adds a difference of node digests: between −2^32 and 2^32. */
  add(difference: number): void {
    const low = this.#low + difference;
    if (low < 0) {
      this.#low = low + TWO_32;
      this.#high = (this.#high - 1) | 0;
    } else if (low >= TWO_32) {
      this.#low = low - TWO_32;
      this.#high = (this.#high + 1) | 0;
    } else {
      this.#low = low;
    }
  }

  /** The sum as it is stored: signed 64 bits. */
  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }
}
