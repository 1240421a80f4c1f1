/**
 * The transactions that the server has handed to the disk, read out of the bytes of its log: what may be on the disk
 * after a crash, and in which order. Nothing that is not in here may ever be seen.
 */
import { JuteReader, OpCode, TxnDigest, TxnHeader } from '@treekeeper/protocol';
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
  /** The tree's digest after it, as its proposer predicted; null with digests off. */
  readonly digest: bigint | null;
  /** When the batch was handed to the disk, monotonic ms. */
  readonly loggedMs: number;
}

const FILE_HEADER_BYTES = 16;
const RECORD_HEAD_BYTES = 12;
const RECORD_END = 0x42;
const FIELD_BYTES_MAX = 1 << 24;

export class History {
  /** In order of zxid, from 1 on without gaps. */
  readonly #txns: LoggedTxn[] = [];
  readonly #logFiles = new Set<number>();

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
      if (step.op === 'create' && step.area === 'log') {
        this.#logFiles.add(step.file);
      } else if (step.op === 'write' && this.#logFiles.has(step.file) && step.position >= FILE_HEADER_BYTES) {
        this.#records(Buffer.from(step.bytes), nowMs);
      }
    }
    return this.#txns.slice(before);
  }

  #records(bytes: Buffer, nowMs: number): void {
    if (bytes.length === 1) {
      return; // the file is extended
    }
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readInt32BE(at + 8);
      const end = at + RECORD_HEAD_BYTES + length;
      check(bytes[end] === RECORD_END, 'history', () => 'a log record has no end');
      this.#add(parseRecord(bytes.subarray(at + RECORD_HEAD_BYTES, end), nowMs));
      at = end + 1;
    }
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

function parseRecord(bytes: Buffer, loggedMs: number): LoggedTxn {
  const reader = new JuteReader(bytes, FIELD_BYTES_MAX);
  const header = TxnHeader.decode(reader);
  const start = reader.position;
  const txn = { type: header.type, value: txnRecord(header.type).decode(reader) } as ModelTxn;
  const body = Buffer.from(bytes.subarray(start, reader.position));
  const digest = reader.remaining > 0 ? TxnDigest.decode(reader).treeDigest : null;
  check(reader.remaining === 0, 'history', () => `${reader.remaining} bytes after the transaction`);
  const { clientId: sessionId, cxid, zxid, time } = header;
  return { zxid: Number(zxid), sessionId, cxid, timeMs: Number(time), txn, body, digest, loggedMs };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A transaction in words. */
export function describeTxn({ zxid, sessionId, cxid, txn }: LoggedTxn): string {
  const name = Object.entries(OpCode).find(([, code]) => code === txn.type)?.[0] ?? String(txn.type);
  const value = 'path' in txn.value ? ` ${txn.value.path}` : '';
  const err = txn.type === OpCode.error ? ` ${txn.value.err}` : '';
  return `#${zxid} ${name}${value}${err} of session ${sessionHex(sessionId)}, cxid ${cxid}`;
}

export function sessionHex(sessionId: bigint): string {
  return BigInt.asUintN(64, sessionId).toString(16);
}
