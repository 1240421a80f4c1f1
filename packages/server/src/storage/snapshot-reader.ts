/** Reads a snapshot in any of its forms (disk-format.md §3.1, §3.3, §3.5). */
import { ACL, JuteReader, SNAPSHOT_MAGIC, StatPersisted } from '@treekeeper/protocol';
import type { FileSource } from '../io/disk.ts';
import { uncompressedChunks } from './compression.ts';
import { compressionOf, FILE_HEADER_BYTES } from './format.ts';
import { FileInput } from './input.ts';
import { DIGEST_VERSION } from './txn-body.ts';

/** The tree's digest at the end of the snapshot's writing. */
export interface SnapshotDigest {
  /** Usually beyond the zxid in the snapshot's name: the tree went on changing while it was written. */
  readonly zxid: number;
  /** Null: the tree shows more than its last transaction, and digests of later ones cannot be compared either. */
  readonly digest: bigint | null;
}

/**
 * In place of the version of a digest: the tree came from a leader that went on writing, and what it is ahead with has
 * not been logged here yet. Apache ZooKeeper does not compare a digest whose version it does not know.
 */
export const AHEAD_VERSION = 3;

export interface SnapshotTrailer {
  /** Null: none, unknown, or not of version 2. */
  readonly digest: SnapshotDigest | null;
  /** The last zxid applied when the writing ended. Replay does not begin there, but after the zxid of the name. */
  readonly lastProcessedZxid: number | null;
}

/** Takes what a snapshot holds. */
export interface SnapshotSink {
  session(id: bigint, timeoutMs: number): void;
  acl(id: bigint, acl: ACL[]): void;
  /** Parents come before their children; the root has path "". Throws if the parent is missing. */
  node(path: string, data: Uint8Array | null, aclId: bigint, stat: StatPersisted): void;
  /**
   * In place of `node`, for a sink that is in a hurry: the node as it is written, from bytes[start] on (§3.1), whole and
   * with reasonable lengths. The bytes are valid during the call.
   */
  encodedNode?(bytes: Buffer, start: number): void;
}

const ROOT_PATH_BYTES_MIN = 4;
/** ACL id and stat, after a node's data. */
const NODE_TAIL_BYTES = 8 + 60;
const SEAL_BYTES = 13;
const LAST_ZXID_SECTION_BYTES = 8 + SEAL_BYTES;
/** Zxid, version, and the shorter of the two forms of the digest. */
const DIGEST_SECTION_BYTES_MIN = 8 + 4 + 4 + SEAL_BYTES;
const SLASH = 0x2f;

/** Hands the snapshot to `sink` and returns its trailer. Throws Error when anything about it is wrong. */
export function readSnapshot(
  disk: FileSource,
  name: string,
  fieldBytesMax: number,
  sink: SnapshotSink,
): SnapshotTrailer {
  const input = new FileInput(uncompressedChunks(disk, name, compressionOf(name)));
  return new SnapshotReader(input, fieldBytesMax).read(sink);
}

class SnapshotReader {
  readonly #input: FileInput;
  readonly #fieldBytesMax: number;
  readonly #reader: JuteReader;

  constructor(input: FileInput, fieldBytesMax: number) {
    this.#input = input;
    this.#fieldBytesMax = fieldBytesMax;
    this.#reader = new JuteReader(undefined, fieldBytesMax);
  }

  read(sink: SnapshotSink): SnapshotTrailer {
    this.#need(FILE_HEADER_BYTES);
    if (this.#input.bytes.readInt32BE(this.#input.position) !== SNAPSHOT_MAGIC) {
      throw new Error('it does not begin with the header of a snapshot');
    }
    this.#input.position += FILE_HEADER_BYTES;
    this.#sessions(sink);
    this.#acls(sink);
    this.#nodes(sink);
    this.#seal('the tree');
    return this.#trailer();
  }

  #sessions(sink: SnapshotSink): void {
    for (let left = this.#int(); left > 0; left--) {
      this.#need(12);
      const { bytes, position } = this.#input;
      sink.session(bytes.readBigInt64BE(position), bytes.readInt32BE(position + 8));
      this.#input.position = position + 12;
    }
  }

  #acls(sink: SnapshotSink): void {
    for (let left = this.#int(); left > 0; left--) {
      const id = this.#long();
      const acl: ACL[] = [];
      const count = this.#int();
      if (count < 0) {
        throw new Error(`the access control list ${id} is null`);
      }
      for (let entries = count; entries > 0; entries--) {
        acl.push(this.#aclEntry());
      }
      sink.acl(id, acl);
    }
  }

  #aclEntry(): ACL {
    // Two strings after four bytes: their lengths are at hand only one after the other.
    const schemeEnd = 4 + this.#fieldSize(4);
    const size = schemeEnd + this.#fieldSize(schemeEnd);
    this.#need(size);
    return ACL.decode(this.#readerOver(size));
  }

  /** The bulk of it: a million nodes have to come in within a second or two. */
  #nodes(sink: SnapshotSink): void {
    const input = this.#input;
    const reader = this.#reader;
    for (;;) {
      const pathSize = this.#fieldSize(0);
      this.#need(pathSize);
      if (pathSize === ROOT_PATH_BYTES_MIN + 1 && input.bytes[input.position + 4] === SLASH) {
        input.position += pathSize;
        return;
      }
      const size = pathSize + this.#fieldSize(pathSize) + NODE_TAIL_BYTES;
      if (input.end - input.position < size) {
        this.#need(size);
      }
      const start = input.position;
      if (sink.encodedNode !== undefined && input.bytes[start] === 0) {
        sink.encodedNode(input.bytes, start); // a null path begins with 0xff, and is refused below
        input.position = start + size;
        continue;
      }
      reader.reset(input.bytes, start, start + size);
      sink.node(reader.ustring(), reader.nullableBuffer(), reader.long(), StatPersisted.decode(reader));
      input.position = start + size;
    }
  }

  /** A robust reader goes by the bytes left, for Java's own flags decide what it writes and reads here. */
  #trailer(): SnapshotTrailer {
    const input = this.#input;
    let digest: SnapshotDigest | null = null;
    if (input.ensure(DIGEST_SECTION_BYTES_MIN)) {
      digest = this.#digestSection();
      this.#seal('the digest');
    }
    if (!input.ensure(1)) {
      return { digest, lastProcessedZxid: null };
    }
    if (!input.ensure(LAST_ZXID_SECTION_BYTES)) {
      throw new Error(`${input.end - input.position} bytes stand where a section or nothing is expected`);
    }
    const lastProcessedZxid = Number(this.#long());
    this.#seal('the last zxid');
    return { digest, lastProcessedZxid };
  }

  #digestSection(): SnapshotDigest | null {
    const zxid = Number(this.#long());
    const version = this.#int();
    if (version < DIGEST_VERSION) {
      // An experimental digest, as text.
      const size = this.#fieldSize(0);
      this.#need(size);
      this.#input.position += size;
      return null;
    }
    const digest = this.#long();
    if (version === AHEAD_VERSION) {
      return { zxid, digest: null };
    }
    // (0, 2, 0): a server that was restarted and has not changed anything since does not know its digest.
    return version !== DIGEST_VERSION || zxid === 0 ? null : { zxid, digest };
  }

  #seal(section: string): void {
    const expected = BigInt(this.#input.checksum());
    const found = this.#long();
    if (found !== expected) {
      throw new Error(`the checksum over ${section} is wrong (offset ${this.#input.offset - 8})`);
    }
    const size = this.#fieldSize(0);
    this.#need(size);
    this.#input.position += size;
  }

  #need(count: number): void {
    if (!this.#input.ensure(count)) {
      throw new Error(
        `it ends at offset ${this.#input.offset + this.#input.end - this.#input.position}, in mid-section`,
      );
    }
  }

  /** Size, with its length, of the string or buffer that begins `distance` bytes ahead. */
  #fieldSize(distance: number): number {
    const input = this.#input;
    if (input.end - input.position < distance + 4) {
      this.#need(distance + 4);
    }
    const bytes = input.bytes;
    const at = input.position + distance;
    const length = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    if (length < -1 || length > this.#fieldBytesMax) {
      throw new Error(
        `a length of ${length} at offset ${input.offset + distance}, and the limit is ${this.#fieldBytesMax} ` +
          '(jute.maxbuffer: set it as it was when the snapshot was written)',
      );
    }
    return length < 0 ? 4 : 4 + length;
  }

  #readerOver(size: number): JuteReader {
    const { bytes, position } = this.#input;
    this.#reader.reset(bytes, position, position + size);
    this.#input.position = position + size;
    return this.#reader;
  }

  #int(): number {
    this.#need(4);
    const value = this.#input.bytes.readInt32BE(this.#input.position);
    this.#input.position += 4;
    return value;
  }

  #long(): bigint {
    this.#need(8);
    const value = this.#input.bytes.readBigInt64BE(this.#input.position);
    this.#input.position += 8;
    return value;
  }
}
