/**
 * The transactions that the server has handed to the disk, read out of the bytes of its log: what may be on the disk
 * after a crash, and in which order. Nothing that is not in here may ever be seen.
 */
import { counterOf, epochOf, JuteReader, OpCode, TxnDigest, TxnHeader } from '@treekeeper/protocol';
import type { DiskStep } from '@treekeeper/server/internal';
import { check } from './checkers/violation.ts';
import { type ModelTxn, txnRecord } from './model/state.ts';

export interface LoggedTxn {
  readonly zxid: number;
  readonly sessionId: bigint;
  readonly cxid: number;
  readonly timeMs: number;
  readonly txn: ModelTxn;
  /** The transaction as it stands in the record, without header and digest. */
  readonly body: Uint8Array;
  /** Header, transaction and digest: the whole record. */
  readonly payload: Uint8Array;
  /** The tree's digest after it, as its proposer predicted; null with digests off. */
  readonly digest: bigint | null;
  /** When the batch was handed to the disk, monotonic ms. */
  readonly loggedMs: number;
}

const FILE_HEADER_BYTES = 16;
const RECORD_HEAD_BYTES = 12;
const RECORD_END = 0x42;
const FIELD_BYTES_MAX = 1 << 24;

/** Reads transactions out of what a server hands to its disk. */
export class LogTap {
  readonly #logFiles = new Set<number>();

  /** A step is on its way to the disk. Returns the transactions in it. */
  submitted(step: DiskStep, nowMs: number): LoggedTxn[] {
    if (step.op === 'create' && step.area === 'log') {
      this.#logFiles.add(step.file);
    } else if (step.op === 'write' && this.#logFiles.has(step.file) && step.position >= FILE_HEADER_BYTES) {
      return recordsIn(viewOf(step.bytes), nowMs);
    }
    return [];
  }
}

export class History {
  /** In order of zxid, from 1 on without gaps. */
  readonly #txns: LoggedTxn[] = [];
  readonly #tap = new LogTap();

  get lastZxid(): number {
    return this.#txns.length;
  }

  at(zxid: number): LoggedTxn {
    const txn = this.#txns[zxid - 1];
    check(txn !== undefined, 'history', () => `zxid ${zxid} was never logged; the last is ${this.lastZxid}`);
    return txn;
  }

  /** After a restart that lost them. */
  forgetAfter(zxid: number): void {
    this.#txns.length = Math.min(this.#txns.length, zxid);
  }

  /** A batch is on its way to the disk. Returns the transactions in it that are new. */
  submitted(steps: readonly DiskStep[], nowMs: number): LoggedTxn[] {
    const before = this.#txns.length;
    for (const step of steps) {
      for (const txn of this.#tap.submitted(step, nowMs)) {
        this.#add(txn);
      }
    }
    return this.#txns.slice(before);
  }

  #add(txn: LoggedTxn): void {
    const known = this.#txns[txn.zxid - 1];
    if (known !== undefined) {
      // A batch that found no space is tried again, byte by byte.
      const same = known.sessionId === txn.sessionId && known.cxid === txn.cxid && sameBytes(known.body, txn.body);
      check(same, 'history', () => `zxid ${txn.zxid} was logged twice, with different transactions`);
      return;
    }
    check(txn.zxid === this.lastZxid + 1, 'history', () => `zxid ${txn.zxid} was logged after ${this.lastZxid}`);
    this.#txns.push(txn);
  }
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

const ZEROS = Buffer.alloc(16 * 1024);

function isZeroFrom(bytes: Buffer, start: number): boolean {
  for (let from = start; from < bytes.length; from += ZEROS.length) {
    const to = Math.min(bytes.length, from + ZEROS.length);
    if (bytes.compare(ZEROS, 0, to - from, from, to) !== 0) {
      return false;
    }
  }
  return true;
}

/** `bytes` may be the server's own: what is kept of them is copied. */
function recordsIn(bytes: Buffer, nowMs: number): LoggedTxn[] {
  const txns: LoggedTxn[] = [];
  if (bytes.length === 1) {
    return txns; // the file is extended
  }
  for (let at = 0; at < bytes.length; ) {
    const length = at + RECORD_HEAD_BYTES <= bytes.length ? bytes.readInt32BE(at + 8) : 0;
    if (length === 0) {
      check(isZeroFrom(bytes, at), 'history', () => 'a log record has no length');
      break; // zeros that are written ahead
    }
    const end = at + RECORD_HEAD_BYTES + length;
    check(bytes[end] === RECORD_END, 'history', () => 'a log record has no end');
    txns.push(parseRecord(Buffer.from(bytes.subarray(at + RECORD_HEAD_BYTES, end)), nowMs));
    at = end + 1;
  }
  return txns;
}

function parseRecord(bytes: Buffer, loggedMs: number): LoggedTxn {
  const reader = new JuteReader(bytes, FIELD_BYTES_MAX);
  const header = TxnHeader.decode(reader);
  const start = reader.position;
  const txn = { type: header.type, value: txnRecord(header.type).decode(reader) } as ModelTxn;
  const body = bytes.subarray(start, reader.position);
  const digest = reader.remaining > 0 ? TxnDigest.decode(reader).treeDigest : null;
  check(reader.remaining === 0, 'history', () => `${reader.remaining} bytes after the transaction`);
  const { clientId: sessionId, cxid, zxid, time } = header;
  const payload = bytes;
  return { zxid: Number(zxid), sessionId, cxid, timeMs: Number(time), txn, body, payload, digest, loggedMs };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A transaction in words. */
export function describeTxn({ zxid, sessionId, cxid, txn }: LoggedTxn): string {
  const name = Object.entries(OpCode).find(([, code]) => code === txn.type)?.[0] ?? String(txn.type);
  const value = 'path' in txn.value ? ` ${txn.value.path}` : '';
  const err = txn.type === OpCode.error ? ` ${txn.value.err}` : '';
  return `#${zxidText(zxid)} ${name}${value}${err} of session ${sessionHex(sessionId)}, cxid ${cxid}`;
}

/** Standalone servers count from 1; zxids of an ensemble are told as epoch and counter. */
export function zxidText(zxid: number): string {
  const epoch = epochOf(zxid);
  return epoch === 0 ? String(zxid) : `${epoch}:${counterOf(zxid)}`;
}

export function sessionHex(sessionId: bigint): string {
  return BigInt.asUintN(64, sessionId).toString(16);
}
