/** A database on its way from a leader: what stands behind a SNAP packet (quorum-protocol.md §5.6). */
import { ACL, JuteError, JuteReader, SNAP_STREAM_END, StatPersisted } from '@treekeeper/protocol';
import { AssertionFailure } from '../assert.ts';
import { END_OF_SECTION } from './snapshot.ts';
import type { SnapshotSink } from './snapshot-reader.ts';

/** What is read next, in the order of the stream. */
type Part = 'session count' | 'session' | 'ACL count' | 'ACL' | 'ACL entry' | 'node' | 'closing text' | 'done';

const NODE_TAIL_BYTES = 8 + 60;
const SLASH = 0x2f;

/**
 * A snapshot on its way in: hands what it holds to the sink, as it comes. The bytes arrive in pieces of any size; of a
 * part that is not whole yet they are kept.
 */
export class SnapshotStreamReader {
  readonly #sink: SnapshotSink;
  readonly #fieldBytesMax: number;
  readonly #reader: JuteReader;
  #part: Part = 'session count';
  #sessionsLeft = 0;
  #aclsLeft = 0;
  #aclId = 0n;
  #acl: ACL[] = [];
  #entriesLeft = 0;
  /** The beginning of a part that is not whole: kept[0, #keptLength). */
  #kept = Buffer.allocUnsafeSlow(1024);
  #keptLength = 0;
  /** In the stream, of the part that is read. */
  #offset = 0;

  /**
   * @param sink is given everything in the order of the stream; it is to be thrown away if the stream does not end well
   * @param fieldBytesMax longest string or data
   */
  constructor(sink: SnapshotSink, fieldBytesMax: number) {
    this.#sink = sink;
    this.#fieldBytesMax = fieldBytesMax;
    this.#reader = new JuteReader(undefined, fieldBytesMax);
  }

  /** The closing text has been read. */
  get done(): boolean {
    return this.#part === 'done';
  }

  /**
   * Takes the stream's bytes from `start` on. Returns the offset behind the last one taken: that of the next packet when
   * `done`, else the end.
   *
   * @throws JuteError for what is no such stream; nothing may be taken after that
   */
  take(bytes: Uint8Array, start: number): number {
    let at = start;
    while (this.#keptLength > 0 && at < bytes.length) {
      at = this.#fill(bytes, at);
    }
    while (!this.done && at < bytes.length) {
      const size = this.#sizeAt(bytes, at, bytes.length);
      if (at + size > bytes.length) {
        this.#keep(bytes, at, bytes.length);
        return bytes.length;
      }
      this.#read(bytes, at, size);
      at += size;
    }
    return at;
  }

  /** Adds to the part that is kept as much as it is known to need; reads it when it is whole. */
  #fill(bytes: Uint8Array, from: number): number {
    const needed = this.#sizeAt(this.#kept, 0, this.#keptLength);
    const end = Math.min(bytes.length, from + needed - this.#keptLength);
    this.#keep(bytes, from, end);
    // With more of it in sight, it may turn out to be longer.
    if (this.#keptLength === needed && this.#sizeAt(this.#kept, 0, needed) === needed) {
      this.#keptLength = 0;
      this.#read(this.#kept, 0, needed);
    }
    return end;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#keptLength + to - from;
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#kept.length * 2));
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    this.#kept.set(bytes.subarray(from, to), this.#keptLength);
    this.#keptLength = length;
  }

  /** How many bytes the part at bytes[at, end) has, or needs at least when its lengths are not all in sight. */
  #sizeAt(bytes: Uint8Array, at: number, end: number): number {
    switch (this.#part) {
      case 'session count':
      case 'ACL count':
        return 4;
      case 'session':
      case 'ACL':
        return 12;
      case 'ACL entry': {
        const scheme = 4 + this.#fieldSize(bytes, at, 4, end);
        return at + scheme > end ? scheme : scheme + this.#fieldSize(bytes, at, scheme, end);
      }
      case 'node': {
        const path = this.#fieldSize(bytes, at, 0, end);
        const isEnd = path === 5 && at + path <= end && bytes[at + 4] === SLASH;
        return isEnd || at + path > end ? path : path + this.#fieldSize(bytes, at, path, end) + NODE_TAIL_BYTES;
      }
      case 'closing text':
        return 4 + SNAP_STREAM_END.length;
      case 'done':
        return 0;
    }
  }

  /** Of the string or buffer `distance` bytes into a part, with its length; 4 when that is not in sight. */
  #fieldSize(bytes: Uint8Array, at: number, distance: number, end: number): number {
    const from = at + distance;
    if (from + 4 > end) {
      return 4;
    }
    const length = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
    if (length < -1 || length > this.#fieldBytesMax) {
      const limit = `the limit is ${this.#fieldBytesMax} (jute.maxbuffer, which all servers must have alike)`;
      throw this.#error('UNREASONABLE_LENGTH', `a length of ${length}, and ${limit}`);
    }
    return 4 + Math.max(length, 0);
  }

  #read(bytes: Uint8Array, at: number, size: number): void {
    const reader = this.#reader;
    reader.reset(bytes, at, at + size);
    switch (this.#part) {
      case 'session count':
        this.#sessionsLeft = this.#count(reader.int());
        break;
      case 'session':
        this.#sessionsLeft--;
        this.#sink.session(reader.long(), reader.int());
        break;
      case 'ACL count':
        this.#aclsLeft = this.#count(reader.int());
        break;
      case 'ACL':
        this.#aclsLeft--;
        this.#aclId = reader.long();
        this.#acl = [];
        this.#entriesLeft = this.#count(reader.int());
        break;
      case 'ACL entry':
        this.#entriesLeft--;
        this.#acl.push(ACL.decode(reader));
        break;
      case 'node':
        this.#node(reader, size);
        break;
      default:
        this.#closing(reader);
    }
    this.#offset += size;
    this.#advance();
  }

  #count(count: number): number {
    if (count < 0) {
      throw this.#error('UNEXPECTED_NULL', `a count of ${count}`);
    }
    return count;
  }

  #node(reader: JuteReader, size: number): void {
    const path = reader.ustring();
    if (path === END_OF_SECTION) {
      this.#part = 'closing text';
      return;
    }
    const data = reader.nullableBuffer();
    const aclId = reader.long();
    const stat = StatPersisted.decode(reader);
    try {
      this.#sink.node(path, data, aclId, stat);
    } catch (error) {
      if (error instanceof AssertionFailure || !(error instanceof Error)) {
        throw error;
      }
      throw this.#error('OUT_OF_RANGE', `a node of ${size} bytes that cannot be: ${error.message}`);
    }
  }

  #closing(reader: JuteReader): void {
    const length = reader.int();
    const text = length === SNAP_STREAM_END.length ? reader.text(length) : null;
    if (text !== SNAP_STREAM_END) {
      throw this.#error(
        'OUT_OF_RANGE',
        `${JSON.stringify(text)} of ${length} bytes where '${SNAP_STREAM_END}' belongs`,
      );
    }
    this.#part = 'done';
  }

  /** To the part that comes next, past tables that are empty. */
  #advance(): void {
    if (this.#part === 'session count' || this.#part === 'session') {
      this.#part = this.#sessionsLeft > 0 ? 'session' : 'ACL count';
    } else if (this.#part === 'ACL count' || this.#part === 'ACL' || this.#part === 'ACL entry') {
      const isInList = this.#part !== 'ACL count';
      if (isInList && this.#entriesLeft > 0) {
        this.#part = 'ACL entry';
        return;
      }
      if (isInList) {
        this.#sink.acl(this.#aclId, this.#acl);
      }
      this.#part = this.#aclsLeft > 0 ? 'ACL' : 'node';
    }
  }

  #error(code: JuteError['code'], what: string): JuteError {
    return new JuteError(code, `the leader's snapshot has, at offset ${this.#offset} (${this.#part}), ${what}`);
  }
}
