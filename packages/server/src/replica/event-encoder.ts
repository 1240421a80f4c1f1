import { JuteWriter, KeeperState, ReplyHeader, SpecialXid, WatcherEvent } from '@treekeeper/protocol';

/** Encodes watch events, each once however many watch: the frame of the last event is kept while its facts repeat. */
export class EventEncoder {
  readonly #writer = new JuteWriter(256);
  #frame: Uint8Array = new Uint8Array(0);
  #type = 0;
  #path = '';
  #zxid = 0;

  /** The whole frame (client-protocol.md §7.5), valid until the next call. */
  encode(type: number, path: string, zxid: number): Uint8Array {
    if (type === this.#type && zxid === this.#zxid && path === this.#path) {
      return this.#frame;
    }
    const writer = this.#writer;
    writer.clear();
    writer.int(0);
    ReplyHeader.encode(writer, { xid: SpecialXid.watchEvent, zxid, err: 0 });
    WatcherEvent.encode(writer, { type, state: KeeperState.syncConnected, path });
    writer.setInt(0, writer.length - 4);
    this.#frame = writer.bytes.subarray(0, writer.length);
    this.#type = type;
    this.#path = path;
    this.#zxid = zxid;
    return this.#frame;
  }
}
