import type { Connection } from '@treekeeper/server/internal';

/** The server's end of a simulated connection: what it writes is kept for the client to take. */
export class SimulatedConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly secure = false;
  readonly certificateSubject: string | null = null;
  /** Set by the server. */
  closed = false;
  paused = false;
  /** Calls of `write`: one for each turn with output. */
  writes = 0;
  unsentBytes = 0;
  /** The client does not read: what is written waits in the host until `unblock`. */
  blocked = false;
  #sent: Buffer[] = [];
  readonly #held: { readonly bytes: Uint8Array; readonly copy: Buffer }[] = [];

  constructor(remotePort: number, remoteAddress = '127.0.0.1') {
    this.remotePort = remotePort;
    this.remoteAddress = remoteAddress;
  }

  /**
   * Copies, and then spoils the buffer it was given: the caller may reuse it, and must not rely on it. A buffer that is
   * held because the client does not read stays as it is, and must not be touched by the caller.
   */
  write(bytes: Uint8Array): boolean {
    const copy = Buffer.from(bytes);
    if (!this.closed) {
      this.#sent.push(copy);
      this.writes++;
    }
    if (this.blocked && !this.closed) {
      this.#held.push({ bytes, copy });
      this.unsentBytes += bytes.length;
      return false;
    }
    bytes.fill(0xdb);
    return true;
  }

  /** The client reads again. False: somebody has changed a buffer that was not his any more. */
  unblock(): boolean {
    this.blocked = false;
    this.unsentBytes = 0;
    return this.#held.splice(0).every(({ bytes, copy }) => copy.equals(bytes));
  }

  close(): void {
    this.closed = true;
  }

  /** What has been written may have left already: that of it which arrives is for the network to say. */
  cut(): void {
    this.closed = true;
  }

  pauseReading(): void {
    this.paused = true;
  }

  resumeReading(): void {
    this.paused = false;
  }

  get hasWritten(): boolean {
    return this.#sent.length > 0;
  }

  /** What the server has written since the last call. */
  take(): Buffer {
    const bytes = this.#sent.length === 1 ? this.#sent[0] : Buffer.concat(this.#sent);
    this.#sent = [];
    return bytes;
  }
}
