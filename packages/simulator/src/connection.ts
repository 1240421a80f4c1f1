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
  #sent: Buffer[] = [];

  constructor(remotePort: number, remoteAddress = '127.0.0.1') {
    this.remotePort = remotePort;
    this.remoteAddress = remoteAddress;
  }

  /** Copies, and then spoils the buffer it was given: the caller may reuse it, and must not rely on it. */
  write(bytes: Uint8Array): boolean {
    if (!this.closed) {
      this.#sent.push(Buffer.from(bytes));
      this.writes++;
    }
    bytes.fill(0xdb);
    return true;
  }

  close(): void {
    this.closed = true;
  }

  pauseReading(): void {
    this.paused = true;
  }

  resumeReading(): void {
    this.paused = false;
  }

  /** What the server has written since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#sent);
    this.#sent = [];
    return bytes;
  }
}
