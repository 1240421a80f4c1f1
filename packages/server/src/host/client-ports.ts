/** The client ports of a server: plaintext, TLS, or both on one (client-protocol.md §2.10). */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Input } from '../io/input.ts';
import type { Log } from '../io/log.ts';
import { Admission, listen, SocketConnection } from './client-listener.ts';
import type { TlsOptions } from './tls.ts';
import type { TlsAcceptor } from './tls-acceptor.ts';
import type { TlsReloader } from './tls-reload.ts';

/** Which ports there are, and who may connect. */
export interface PortOptions {
  /** Null: no plaintext port. 0: any free port. */
  readonly clientPort: number | null;
  /** Null: all addresses. */
  readonly clientAddress: string | null;
  /** Null: no TLS port. */
  readonly secureClientPort: number | null;
  readonly secureClientAddress: string | null;
  /** Plaintext and TLS on the plaintext port. */
  readonly portUnification: boolean;
  /** −1: the system's default. */
  readonly backlog: number;
  readonly tcpKeepAlive: boolean;
  /** Sockets of one address on one port; 0: no limit. */
  readonly connectionsPerAddressMax: number;
  /** Sockets on one port; 0: no limit. */
  readonly connectionsMax: number;
}

/** What the ports are told and whom they tell. */
export interface ClientPortsOptions {
  readonly listeners: PortOptions;
  readonly tls: TlsOptions & { readonly reloadOnChange: boolean };
  /** TLS handshakes in flight; −1: any number. */
  readonly handshakesMax: number;
  readonly log: Log;
  push(input: Input): void;
  /** A socket was refused by a limit on their number. */
  onReject(): void;
  /** A socket was refused since too many TLS handshakes were under way. */
  onHandshakesExceeded(): void;
  /** A TLS handshake failed, or a certificate was not good. */
  onHandshakeFailed(): void;
}

/** Where clients find a port. Null as host: all addresses. */
export interface PortPlace {
  readonly host: string | null;
  readonly port: number;
}

type PortKind = 'plain' | 'secure';

interface OpenPort {
  readonly server: Server;
  readonly admission: Admission;
  /** As it was asked for. */
  readonly place: PortPlace;
}

const ALL_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

export class ClientPorts {
  readonly #options: ClientPortsOptions;
  readonly #open = new Map<PortKind, OpenPort>();
  #moves: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Null: no TLS anywhere. */
  #acceptor: TlsAcceptor | null = null;
  #detectTls: ((bytes: Uint8Array) => 'tls' | 'plain' | 'undecided') | null = null;
  #reloader: TlsReloader | null = null;

  constructor(options: ClientPortsOptions) {
    this.#options = options;
  }

  get plainPort(): number | null {
    return this.#portOf('plain');
  }

  get securePort(): number | null {
    return this.#portOf('secure');
  }

  #portOf(kind: PortKind): number | null {
    const open = this.#open.get(kind);
    return open === undefined ? null : (open.server.address() as AddressInfo).port;
  }

  get tlsHandshakes(): number {
    return this.#acceptor?.handshakes ?? 0;
  }

  /**
   * Reads the key stores and opens the ports. Rejects with TlsError, or the system's error when a port cannot be had.
   */
  async open(): Promise<void> {
    const { listeners } = this.#options;
    if (listeners.secureClientPort !== null || listeners.portUnification) {
      await this.#prepareTls();
    }
    const { clientPort, clientAddress, secureClientPort, secureClientAddress } = listeners;
    if (clientPort !== null) {
      await this.#listen('plain', { host: clientAddress, port: clientPort });
    }
    if (secureClientPort !== null) {
      await this.#listen('secure', { host: secureClientAddress, port: secureClientPort });
    }
  }

  /**
   * Has clients find a port elsewhere from now on; connections stay. Without effect where there is no such port, and
   * where it is there already. When it cannot be opened, it stays where it was, and the log says so.
   */
  move(kind: PortKind, place: PortPlace): Promise<void> {
    this.#moves = this.#moves.then(() => this.#move(kind, place));
    return this.#moves;
  }

  async #move(kind: PortKind, place: PortPlace): Promise<void> {
    const before = this.#open.get(kind);
    if (before === undefined || isSamePlace(before.place, place) || this.#isClosed) {
      return;
    }
    const { log } = this.#options;
    before.server.close(); // first: the same port on other addresses can be had only then
    try {
      await this.#listen(kind, place, before.admission);
      log.info(`clients find this server at ${placeText(place)} from now on`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error(
        `clients cannot find this server at ${placeText(place)}, as the ensemble's configuration says: ${reason}`,
      );
      await this.#listen(kind, before.place, before.admission);
    }
  }

  /** TLS is loaded only where it is used: it would take a good part of the start-up. */
  async #prepareTls(): Promise<void> {
    const { tls, log, push } = this.#options;
    const [{ loadTls }, { detectTls, TlsAcceptor }] = await Promise.all([
      import('./tls.ts'),
      import('./tls-acceptor.ts'),
    ]);
    const material = loadTls(tls);
    for (const warning of material.warnings) {
      log.warn(warning);
    }
    const acceptor = new TlsAcceptor(material, {
      onSecure: (socket, subject) => {
        new SocketConnection(socket, push, true, subject);
      },
      onRefused: (address, reason) => {
        this.#options.onHandshakeFailed();
        log.info(`TLS connection from ${address} refused: ${reason}`);
      },
    });
    this.#acceptor = acceptor;
    this.#detectTls = detectTls;
    if (tls.reloadOnChange) {
      const { TlsReloader } = await import('./tls-reload.ts');
      this.#reloader = new TlsReloader(tls, 'ssl', material, log, (fresh) => acceptor.replace(fresh));
    }
  }

  /** Each port counts the connections of an address for itself (client-protocol.md §10). */
  async #listen(kind: PortKind, place: PortPlace, admission: Admission = this.#newAdmission()): Promise<void> {
    const { backlog, portUnification } = this.#options.listeners;
    const acceptPlain = portUnification ? this.#acceptEither : this.#acceptPlain;
    const server = await listen(
      { port: place.port, address: place.host ?? undefined, backlog: backlog > 0 ? backlog : undefined },
      admission,
      kind === 'plain' ? acceptPlain : this.#acceptSecure,
    );
    this.#open.set(kind, { server, admission, place });
    if (this.#isClosed) {
      server.close();
    }
  }

  #newAdmission(): Admission {
    const { listeners, onReject } = this.#options;
    const { connectionsPerAddressMax, connectionsMax, tcpKeepAlive } = listeners;
    return new Admission({ connectionsPerAddressMax, connectionsMax, tcpKeepAlive }, onReject);
  }

  readonly #acceptPlain = (socket: Socket): void => {
    new SocketConnection(socket, this.#options.push, false, null);
  };

  readonly #acceptSecure = (socket: Socket, head?: Buffer): void => {
    const acceptor = this.#acceptor as TlsAcceptor;
    const { handshakesMax } = this.#options;
    if (handshakesMax >= 0 && acceptor.handshakes >= handshakesMax) {
      this.#options.onHandshakesExceeded();
      socket.destroy();
      return;
    }
    acceptor.accept(socket, head);
  };

  /** The first bytes say which of the two it is; a client that sends none is given up after a while. */
  readonly #acceptEither = (socket: Socket): void => {
    let head: Buffer = Buffer.alloc(0);
    socket.setTimeout(this.#options.tls.handshakeDetectionTimeoutMs, () => socket.destroy());
    socket.on('error', () => {});
    const onData = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const kind = this.#detectTls?.(head);
      if (kind === 'undecided') {
        return;
      }
      socket.off('data', onData);
      socket.setTimeout(0);
      socket.pause();
      if (kind === 'tls') {
        this.#acceptSecure(socket, head);
      } else {
        socket.unshift(head);
        this.#acceptPlain(socket);
        socket.resume(); // a new listener alone does not start a paused socket
      }
    };
    socket.on('data', onData);
  };

  /** Stops listening; open connections are the replica's to close. */
  close(): void {
    this.#isClosed = true;
    this.#reloader?.close();
    for (const { server } of this.#open.values()) {
      server.close();
    }
  }

  /** Cuts every connection, also those that are no clients yet. */
  cutAll(): void {
    for (const { admission } of this.#open.values()) {
      admission.cutAll();
    }
  }
}

function isSamePlace(one: PortPlace, other: PortPlace): boolean {
  return one.port === other.port && hostOf(one) === hostOf(other);
}

/** Null: all addresses. */
function hostOf({ host }: PortPlace): string | null {
  return host === null || ALL_ADDRESSES.has(host) ? null : host;
}

function placeText(place: PortPlace): string {
  return `${hostOf(place) ?? '*'}:${place.port}`;
}
