/**
 * Output of a turn: frames collect in one buffer a connection and leave in one write. Buffers are lent for the turn and
 * come back, so that ten thousand quiet connections hold none.
 */
import { JuteWriter } from '@treekeeper/protocol';
import type { ClientConnection } from './client-connection.ts';

const BUFFER_BYTES = 4096;
/** Larger buffers are not kept: one huge reply must not be remembered for ever. */
const POOLED_BUFFER_BYTES_MAX = 1 << 20;
const POOLED_BUFFERS_MAX = 1024;

export class Outputs {
  readonly #pool: JuteWriter[] = [];
  #dirty: ClientConnection[] = [];

  /** The connection's buffer of this turn. */
  of(client: ClientConnection): JuteWriter {
    if (client.output === null) {
      client.output = this.#pool.pop() ?? new JuteWriter(BUFFER_BYTES);
      this.#dirty.push(client);
    }
    return client.output;
  }

  /** One write for each connection with output; closes those that were to close behind it. */
  flush(afterWrite: (client: ClientConnection) => void): void {
    if (this.#dirty.length === 0) {
      return;
    }
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const client of dirty) {
      const output = client.output as JuteWriter;
      client.output = null;
      const reusable = client.connection.write(output.bytes.subarray(0, output.length));
      if (reusable && output.bytes.length <= POOLED_BUFFER_BYTES_MAX && this.#pool.length < POOLED_BUFFERS_MAX) {
        output.clear();
        this.#pool.push(output);
      }
      afterWrite(client);
    }
  }
}

/** Bytes of the frame's length and the reply header before a reply's body. */
export const REPLY_PREFIX_BYTES = 4 + 16;
const TWO_32 = 4294967296;

/** Starts a reply frame and returns its offset for `endReply`; the body follows. */
export function beginReply(output: JuteWriter): number {
  return output.reserve(REPLY_PREFIX_BYTES);
}

/** Fills in length and header; a reply with an error has no body. */
export function endReply(output: JuteWriter, start: number, xid: number, zxid: number, err: number): void {
  if (err !== 0) {
    output.length = start + REPLY_PREFIX_BYTES;
  }
  output.setInt(start, output.length - start - 4);
  output.setInt(start + 4, xid);
  output.setInt(start + 8, Math.floor(zxid / TWO_32));
  output.setInt(start + 12, zxid | 0);
  output.setInt(start + 16, err);
}
