/** A database on its way to a learner: what stands behind a SNAP packet (quorum-protocol.md §5.6). */
import { JuteWriter } from '@treekeeper/protocol';
import { END_OF_SECTION, type SnapshotSource, writeTables } from './snapshot.ts';

/** The tables of a server, for one snapshot. */
export interface StreamSource extends SnapshotSource {
  /** No more will be read. */
  end(): void;
}

/** A snapshot on its way out. It may change while it is sent: what comes behind it evens that out. */
export class SnapshotStreamWriter {
  readonly #source: StreamSource;
  readonly #sliceBytes: number;
  readonly #writer: JuteWriter;
  #state: 'begun' | 'nodes' | 'ended' = 'begun';

  constructor(source: StreamSource, sliceBytes: number) {
    this.#source = source;
    this.#sliceBytes = sliceBytes;
    this.#writer = new JuteWriter(sliceBytes * 2);
  }

  get zxid(): number {
    return this.#source.zxid;
  }

  /** About `sliceBytes` more, for the caller to keep; the first slice has all sessions and ACLs. Null: that was all. */
  next(): Uint8Array | null {
    if (this.#state === 'ended') {
      return null;
    }
    const writer = this.#writer;
    writer.clear();
    if (this.#state === 'begun') {
      writeTables(writer, this.#source);
      this.#state = 'nodes';
    }
    if (!this.#source.writeNodes(writer, this.#sliceBytes)) {
      writer.ustring(END_OF_SECTION);
      this.end();
    }
    return writer.copy();
  }

  /** No more is wanted. */
  end(): void {
    if (this.#state !== 'ended') {
      this.#state = 'ended';
      this.#source.end();
    }
  }
}
