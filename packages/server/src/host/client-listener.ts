/** The client ports: sockets become connections, their bytes become inputs. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Connection } from '../io/connection.ts';
import type { Input } from '../io/input.ts';

export interface ListenOptions {
  /** Undefined: all addresses. */
  readonly address: string | undefined;
  readonly port: number;
  /** Undefined: the system's. */
  readonly backlog: number | undefined;
}

export interface AdmissionOptions {
  /** Connections from one address; 0: any number. */
  readonly connectionsPerAddressMax: number;
  /** Connections in all; 0: any number. */
  readonly connectionsMax: number;
  readonly tcpKeepAlive: boolean;
}

/** Counts open sockets, four-letter probes among them; those beyond a limit are reset at accept. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #byAddress = new Map<string, number>();
  readonly #onReject: () => void;
  readonly #sockets = new Set<Socket>();

  constructor(options: AdmissionOptions, onReject: () => void) {
    this.#options = options;
    this.#onReject = onReject;
  }

  get tcpKeepAlive(): boolean {
    return this.#options.tcpKeepAlive;
  }

  /** Whether the socket may stay; it is counted until it closes. */
  admit(socket: Socket, address: string): boolean {
    const { connectionsPerAddressMax, connectionsMax } = this.#options;
    const fromAddress = this.#byAddress.get(address) ?? 0;
    if (
      (connectionsPerAddressMax > 0 && fromAddress >= connectionsPerAddressMax) ||
      (connectionsMax > 0 && this.#sockets.size >= connectionsMax)
    ) {
      this.#onReject();
      return false;
    }
    this.#sockets.add(socket);
    this.#byAddress.set(address, fromAddress + 1);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) {
        this.#byAddress.delete(address);
      } else {
        this.#byAddress.set(address, left);
      }
    });
    return true;
  }

  /** Cuts every socket, whatever it was doing. */
  cutAll(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }
}

/** IPv4 addresses arrive in IPv6 clothes on a socket that listens to both. */
function plainAddress(address: string | undefined): string {
  const text = address ?? '';
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text;
}

/**
 * What a closed connection still has to send goes on being sent for so long: enough for answers over a slow line.
 * Without an end, a client that has stopped would keep its socket, and what waits for it, as long as it stays stopped.
 */
export const LINGER_MS = 30_000;

/** One socket as a Connection. */
export class SocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly secure: boolean;
  readonly certificateSubject: string | null;
  readonly #socket: Socket;
  #wantsPause = false;
  #isClosing = false;

  constructor(socket: Socket, push: (input: Input) => void, secure: boolean, certificateSubject: string | null) {
    this.#socket = socket;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.secure = secure;
    this.certificateSubject = certificateSubject;
    socket.setNoDelay(true);
    push({ kind: 'client-open', connection: this });
    socket.on('data', (bytes: Buffer) => {
      if (this.#isClosing) {
        return;
      }
      if (this.#wantsPause) {
        socket.pause();
      }
      push({ kind: 'client-data', connection: this, bytes });
    });
    socket.on('drain', () => push({ kind: 'client-drained', connection: this }));
    socket.on('error', () => {}); // 'close' follows, and says all there is to say
    socket.on('close', () => push({ kind: 'client-gone', connection: this }));
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.writable) {
      this.#socket.write(bytes);
    }
    return this.#socket.writableLength === 0;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  close(): void {
    if (this.#isClosing) {
      return;
    }
    if (this.#socket.destroyed || (!this.secure && this.#socket.writableLength === 0)) {
      this.cut(); // the system has all that was written: closing sends it, and needs no shutdown before
      return;
    }
    this.#isClosing = true;
    const socket = this.#socket;
    const cutting = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(cutting));
    socket.destroySoon();
  }

  cut(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  /**
   * The socket is paused when it has more to read: a handshake pauses its connection until the session is there, and
   * few clients send anything meanwhile.
   */
  pauseReading(): void {
    this.#wantsPause = true;
  }

  resumeReading(): void {
    this.#wantsPause = false;
    if (this.#socket.isPaused()) {
      this.#socket.resume();
    }
  }
}

/** Opens a plain client port. `onSocket` gets each admitted socket. Rejects when the port cannot be had. */
export function listen(
  options: ListenOptions,
  admission: Admission,
  onSocket: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer({ noDelay: true, keepAlive: admission.tcpKeepAlive }, (socket) => {
    if (!admission.admit(socket, plainAddress(socket.remoteAddress))) {
      socket.resetAndDestroy();
      return;
    }
    onSocket(socket);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const { port, address, backlog } = options;
    server.listen(
      { port, ...(address !== undefined && { host: address }), ...(backlog !== undefined && { backlog }) },
      () => {
        server.off('error', reject);
        resolve(server);
      },
    );
  });
}
