/** Takes the body of a log record apart: header, txn, digest (disk-format.md §2.1, §2.2). */
import { JuteError, JuteReader, OpCode, TxnDigest, TxnHeader, zxidNumber } from '@treekeeper/protocol';

/** A txn header with its numbers in the server's form. */
export interface LoggedTxnHeader {
  readonly clientId: bigint;
  readonly cxid: number;
  readonly zxid: number;
  readonly timeMs: number;
  readonly type: number;
}

export interface SplitTxn {
  readonly header: LoggedTxnHeader;
  /** Tree digest after this txn; null if the record has none, or one of another version than 2. */
  readonly digest: bigint | null;
}

export const DIGEST_VERSION = 2;
const DIGEST_BYTES = 12;

/** Thrown for a type that no ZooKeeper release logs: reading on would mean guessing. */
export class UnknownTxnTypeError extends Error {
  override readonly name = 'UnknownTxnTypeError';

  constructor(type: number) {
    super(`unknown transaction type ${type}`);
  }
}

/**
 * Splits record bodies. One splitter serves many records: it reuses its readers, so what it hands out is valid until
 * the next call. Records have no field that says how long the txn is, so it is walked to find the digest behind it.
 */
export class TxnSplitter {
  /** Spans the txn of the last record and nothing behind it. */
  readonly txn: JuteReader;
  readonly #reader: JuteReader;

  constructor() {
    // The checksum vouches for the bytes, and no field can be longer than its record.
    this.txn = new JuteReader(undefined, Number.MAX_SAFE_INTEGER);
    this.#reader = new JuteReader();
  }

  /**
   * Reads bytes[start, end) and points `txn` at the txn in it. What old releases left out is put in, so that a txn
   * always decodes with the record of its type. Throws JuteError TRUNCATED (the body is too short for its txn),
   * UnknownTxnTypeError, or RangeError for a zxid beyond the server's range.
   */
  split(bytes: Uint8Array, start: number, end: number): SplitTxn {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    const { clientId, cxid, zxid, time, type } = TxnHeader.decode(reader);
    const header = { clientId, cxid, zxid: zxidNumber(zxid), timeMs: Number(time), type };
    const txnStart = reader.position;
    if (type === OpCode.closeSession && lacksPathList(bytes, txnStart, end)) {
      this.txn.reset(EMPTY_VECTOR, 0, EMPTY_VECTOR.length);
      return { header, digest: this.#digest() };
    }
    const walk = new Walk(bytes, txnStart, end);
    walk.txn(type);
    if (walk.lacksParentCVersion) {
      const whole = Buffer.concat([bytes.subarray(txnStart, walk.position), PARENT_CVERSION_UNKNOWN]);
      this.txn.reset(whole, 0, whole.length);
      return { header, digest: null };
    }
    this.txn.reset(bytes, txnStart, walk.position);
    reader.reset(bytes, walk.position, end);
    return { header, digest: this.#digest() };
  }

  #digest(): bigint | null {
    if (this.#reader.remaining < DIGEST_BYTES) {
      return null;
    }
    const { version, treeDigest } = TxnDigest.decode(this.#reader);
    return version === DIGEST_VERSION ? treeDigest : null;
  }
}

const EMPTY_VECTOR = Uint8Array.of(0, 0, 0, 0);
/** −1: "the parent's cversion + 1" */
const PARENT_CVERSION_UNKNOWN = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/**
 * A closed session's ephemerals are not always listed (3.5 and older, or closeSessionTxn.enabled=false); with digests
 * on the digest then stands where the list would be. Its version 2 would read as two paths, but those take 14 bytes.
 */
function lacksPathList(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start) {
    return true;
  }
  return (
    end - start === DIGEST_BYTES &&
    bytes[start] === 0 &&
    bytes[start + 1] === 0 &&
    bytes[start + 2] === 0 &&
    bytes[start + 3] === DIGEST_VERSION
  );
}

/** Moves over a txn without decoding it. */
class Walk {
  position: number;
  /** The txn is a create of release 3.3 or older, which ends before parentCVersion. */
  lacksParentCVersion = false;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  txn(type: number): void {
    switch (type) {
      case OpCode.createSession:
      case OpCode.error:
        return this.#skip(4);
      case OpCode.closeSession:
        return this.#vector(() => this.#field());
      case OpCode.create:
      case OpCode.create2:
        this.#node();
        this.#skip(1);
        this.lacksParentCVersion = this.#end - this.position < 4;
        return this.lacksParentCVersion ? undefined : this.#skip(4);
      case OpCode.createContainer:
        this.#node();
        return this.#skip(4);
      case OpCode.createTTL:
        this.#node();
        return this.#skip(4 + 8);
      case OpCode.delete:
      case OpCode.deleteContainer:
        return this.#field();
      case OpCode.setData:
      case OpCode.reconfig:
        this.#field();
        this.#field();
        return this.#skip(4);
      case OpCode.setACL:
        this.#field();
        this.#acl();
        return this.#skip(4);
      case OpCode.multi:
        return this.#vector(() => {
          this.#skip(4);
          this.#field();
        });
      default:
        throw new UnknownTxnTypeError(type);
    }
  }

  /** Path, data, ACL. */
  #node(): void {
    this.#field();
    this.#field();
    this.#acl();
  }

  #acl(): void {
    this.#vector(() => {
      this.#skip(4);
      this.#field();
      this.#field();
    });
  }

  /** A negative count (null) has no elements. */
  #vector(element: () => void): void {
    for (let left = this.#int(); left > 0; left--) {
      element();
    }
  }

  /** A string or a buffer; a negative length (null) has no bytes. */
  #field(): void {
    this.#skip(Math.max(this.#int(), 0));
  }

  #int(): number {
    const at = this.position;
    this.#skip(4);
    const bytes = this.#bytes;
    return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }

  #skip(count: number): void {
    this.position += count;
    if (this.position > this.#end) {
      throw new JuteError('TRUNCATED', `the record ends within its transaction, at byte ${this.#end}`);
    }
  }
}
