/**
 * The quorum port, and that for observers: byte streams between learners and whoever leads or feeds them
 * (quorum-protocol.md §5, §8).
 */
import type { Socket } from 'node:net';
import type { Log } from '../io/log.ts';
import type { Link } from '../io/peers.ts';
import { authenticatePeer, authenticateToPeer, HandshakeReader, type HostPort, PeerRefusal } from './peer-handshake.ts';
import { bindAll, type Listening } from './peer-ports.ts';
import type { Dial, PeerSecurity, PeerSockets } from './peer-sockets.ts';

export interface QuorumPortHandlers {
  onOpen(link: Link, dialled: boolean): void;
  onData(link: Link, bytes: Uint8Array): void;
  onGone(link: Link): void;
}

export interface QuorumPortOptions {
  /** What it is called in the log. */
  readonly what: string;
  readonly listensOnAllAddresses: boolean;
  /** How long authentication of those who dial may take. */
  readonly handshakeTimeoutMs: number;
  readonly security: PeerSecurity;
  readonly log: Log;
  readonly handlers: QuorumPortHandlers;
}

/** A chunk that fills a read: more is waiting, and what reads it must be given time to. */
const LARGE_CHUNK_BYTES = 32 * 1024;

export class QuorumPort {
  readonly #options: QuorumPortOptions;
  readonly #sockets: PeerSockets;
  readonly #links = new Set<QuorumLink>();
  readonly #handshakes = new Set<Socket>();
  #listening: Listening | null = null;

  constructor(options: QuorumPortOptions, sockets: PeerSockets) {
    this.#options = options;
    this.#sockets = sockets;
  }

  /** Opens the port at these addresses; does nothing when it is open. */
  listen(addresses: readonly HostPort[]): void {
    const { listensOnAllAddresses, log } = this.#options;
    this.#listening ??= bindAll(this.#sockets, {
      addresses,
      listensOnAllAddresses,
      // Whoever leads must be found; if the port never comes free, learners give up and elect another.
      attemptsMax: 0,
      what: this.#options.what,
      log,
      onSocket: (socket) => void this.#accept(socket),
      onFailed: () => {},
    });
  }

  /** Resolves when the port is open. */
  async opened(): Promise<void> {
    await this.#listening?.settled;
  }

  stopListening(): void {
    this.#listening?.close();
    this.#listening = null;
    for (const socket of this.#handshakes) {
      socket.destroy();
    }
  }

  /** Closes the port and all links. */
  close(): void {
    this.stopListening();
    for (const link of this.#links) {
      link.close();
    }
  }

  /** @param who for the log */
  connect(addresses: readonly HostPort[], timeoutMs: number, who: string): Link {
    const link = new QuorumLink(this.#options.handlers, () => this.#links.delete(link));
    this.#links.add(link);
    const began = performance.now();
    link.dial = this.#sockets.dial({
      addresses,
      timeoutMs,
      onConnected: (socket) => {
        link.own(socket);
        void this.#prove(link, socket, Math.max(1, timeoutMs - (performance.now() - began)), who);
      },
      onFailed: (reason) => {
        this.#options.log.info(`${who} is not to be reached: ${reason}`);
        link.close();
      },
    });
    return link;
  }

  async #prove(link: QuorumLink, socket: Socket, timeoutMs: number, who: string): Promise<void> {
    const startClient = this.#options.security.sasl?.startClient;
    if (!startClient) {
      link.open(socket, true);
      return;
    }
    const reader = new HandshakeReader(socket, timeoutMs);
    try {
      await authenticateToPeer(socket, reader, startClient());
      reader.release();
      link.open(socket, true);
    } catch (error) {
      reader.release();
      this.#refuse(socket, who, error);
      link.close();
    }
  }

  async #accept(socket: Socket): Promise<void> {
    const { security, handlers, handshakeTimeoutMs, log } = this.#options;
    const link = new QuorumLink(handlers, () => this.#links.delete(link));
    link.own(socket);
    const who = `a learner at ${link.remoteAddress}`;
    if (security.sasl !== null) {
      this.#handshakes.add(socket);
      const reader = new HandshakeReader(socket, handshakeTimeoutMs);
      try {
        const fault = await authenticatePeer(socket, reader, security.sasl);
        if (fault !== null) {
          log.warn(`${who} is unauthenticated: ${fault}`);
        }
      } catch (error) {
        this.#refuse(socket, who, error);
        return;
      } finally {
        this.#handshakes.delete(socket);
        reader.release();
      }
    }
    this.#links.add(link);
    link.open(socket, false);
  }

  #refuse(socket: Socket, who: string, error: unknown): void {
    if (!(error instanceof PeerRefusal)) {
      throw error;
    }
    socket.destroySoon();
    this.#options.log.warn(`the connection with ${who} is closed: ${error.message}`);
  }
}

class QuorumLink implements Link {
  remoteAddress = '';
  /** While it is being dialled. */
  dial: Dial | null = null;
  readonly #handlers: QuorumPortHandlers;
  readonly #onClose: () => void;
  #socket: Socket | null = null;
  #isGone = false;

  constructor(handlers: QuorumPortHandlers, onClose: () => void) {
    this.#handlers = handlers;
    this.#onClose = onClose;
  }

  /** The socket is there; nothing is read from it yet. */
  own(socket: Socket): void {
    this.#socket = socket;
    this.dial = null;
    this.remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    socket.on('error', () => {}); // 'close' follows, and says all there is to say
  }

  open(socket: Socket, dialled: boolean): void {
    if (this.#isGone) {
      socket.destroy();
      return;
    }
    this.#handlers.onOpen(this, dialled);
    socket.on('data', (chunk: Buffer) => {
      if (this.#isGone) {
        return;
      }
      this.#handlers.onData(this, chunk);
      if (chunk.length >= LARGE_CHUNK_BYTES) {
        // One such chunk in each round of the loop: a snapshot must not fill the inbox faster than turns empty it.
        socket.pause();
        setImmediate(() => socket.resume());
      }
    });
    socket.once('close', () => this.close());
    if (socket.destroyed) {
      this.close();
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#socket?.writable && !this.#isGone) {
      this.#socket.write(bytes);
    }
  }

  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  close(): void {
    if (this.#isGone) {
      return;
    }
    this.#isGone = true;
    this.dial?.abort();
    this.#socket?.destroy();
    this.#onClose();
    // Not from inside of the call: who closes a link is in the middle of something.
    setImmediate(() => this.#handlers.onGone(this));
  }
}
