/**
 * What a link of the quorum port brings, cut into packets. There are no lengths around them: a packet ends where its
 * fields do, and behind SNAP comes a snapshot, whose end only its own grammar knows (quorum-protocol.md §0, §5.6).
 */
import { FIELD_LENGTH_BYTES_MAX_DEFAULT, JuteError, JuteReader } from '@treekeeper/protocol';
import type { Forwarded, SnapshotIncoming } from './environment.ts';
import { PACKET_HEADER_BYTES } from './packets.ts';

export interface Packet {
  readonly type: number;
  readonly zxid: number;
  /** Null and empty are not the same. A view of what came in, which nobody changes any more. */
  readonly data: Uint8Array | null;
  readonly authinfo: Forwarded['authinfo'];
}

const LENGTH_BYTES = 4;
const NULL = -1;
/** Of a packet with neither data nor authinfo. */
const BARE_BYTES = PACKET_HEADER_BYTES + LENGTH_BYTES;
const TWO_32 = 4294967296;
const NONE = new Uint8Array(0);

export class PacketStream {
  readonly #fieldBytesMax: number;
  readonly #reader: JuteReader;
  /** Chunks that came behind `#bytes`. */
  readonly #chunks: Uint8Array[] = [];
  #bytes: Uint8Array = NONE;
  #view: DataView = new DataView(NONE.buffer);
  #start = 0;

  /** @param fieldBytesMax of the data, and of all the authinfo together (jute.maxbuffer + extrasize) */
  constructor(fieldBytesMax: number = FIELD_LENGTH_BYTES_MAX_DEFAULT) {
    this.#fieldBytesMax = fieldBytesMax;
    this.#reader = new JuteReader(undefined, fieldBytesMax, false);
  }

  /** Takes what has come in; the bytes are the stream's from now on. */
  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
  }

  /** The next packet; null: it is not whole yet. Throws JuteError when this can be no packet: close the link. */
  next(): Packet | null {
    const end = this.#packetEnd();
    if (end === null) {
      return null;
    }
    const start = this.#start;
    const type = this.#view.getInt32(start);
    const zxid = this.#view.getInt32(start + 4) * TWO_32 + this.#view.getUint32(start + 8);
    if (!Number.isSafeInteger(zxid)) {
      throw new JuteError('OUT_OF_RANGE', `a packet of type ${type} has the zxid ${zxid}`);
    }
    this.#start = end;
    const isBare = end - start === BARE_BYTES && this.#view.getInt32(end - LENGTH_BYTES) === NULL;
    if (isBare && this.#view.getInt32(end - 2 * LENGTH_BYTES) === NULL) {
      return { type, zxid, data: null, authinfo: null }; // ACK and COMMIT, of which there are the most
    }
    const reader = this.#reader;
    reader.reset(this.#bytes, start + PACKET_HEADER_BYTES - LENGTH_BYTES, end);
    const data = reader.nullableBuffer();
    const count = reader.nullableCount();
    const authinfo =
      count < 0 ? null : Array.from({ length: count }, () => ({ scheme: reader.ustring(), id: reader.ustring() }));
    return { type, zxid, data, authinfo };
  }

  /** Gives the snapshot that stands next what has come in. Throws JuteError when it is malformed. */
  drainInto(snapshot: SnapshotIncoming): void {
    while (!snapshot.done && (this.#start < this.#bytes.length || this.#have(1))) {
      this.#start = snapshot.take(this.#bytes, this.#start);
    }
  }

  /** Where the packet at the start ends; null: not all of it is there. */
  #packetEnd(): number | null {
    if (!this.#have(PACKET_HEADER_BYTES)) {
      return null;
    }
    const dataLength = this.#length(PACKET_HEADER_BYTES - LENGTH_BYTES);
    const authinfoAt = PACKET_HEADER_BYTES + dataLength;
    if (!this.#have(authinfoAt + LENGTH_BYTES)) {
      return null;
    }
    let at = authinfoAt + LENGTH_BYTES;
    // Each text takes a length at least: no count is believed beyond what the limit allows.
    for (let texts = 2 * this.#view.getInt32(this.#start + authinfoAt); texts > 0; texts--) {
      if (at - authinfoAt > this.#fieldBytesMax) {
        throw new JuteError('UNREASONABLE_LENGTH', `authinfo beyond ${this.#fieldBytesMax} bytes`);
      }
      if (!this.#have(at + LENGTH_BYTES)) {
        return null;
      }
      const length = this.#length(at);
      at += LENGTH_BYTES + length;
    }
    return this.#have(at) ? this.#start + at : null;
  }

  /** The length that stands so far behind the start, 0 for null. */
  #length(offset: number): number {
    const length = this.#view.getInt32(this.#start + offset);
    if (length < -1 || length > this.#fieldBytesMax) {
      throw new JuteError('UNREASONABLE_LENGTH', `length ${length} in a packet, limit ${this.#fieldBytesMax}`);
    }
    return Math.max(length, 0);
  }

  /** Joins chunks until so many bytes stand behind the start; false: they have not come yet. */
  #have(count: number): boolean {
    const left = this.#bytes.length - this.#start;
    if (left >= count) {
      return true;
    }
    let joined = left;
    let chunks = 0;
    while (joined < count && chunks < this.#chunks.length) {
      joined += this.#chunks[chunks].length;
      chunks++;
    }
    if (joined < count) {
      return false;
    }
    const taken = this.#chunks.splice(0, chunks);
    this.#bytes = left === 0 && chunks === 1 ? taken[0] : Buffer.concat([this.#bytes.subarray(this.#start), ...taken]);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    this.#start = 0;
    return true;
  }
}
