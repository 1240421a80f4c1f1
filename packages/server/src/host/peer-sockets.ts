/** Sockets between servers: plain, TLS, or both on one port (quorum-protocol.md §2.6). Both ports are made of these. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Log } from '../io/log.ts';
import { addressText, type HostPort, type PeerSasl } from './peer-handshake.ts';
import type { TlsMaterial, TlsOptions } from './tls.ts';
import type { TlsAcceptor } from './tls-acceptor.ts';
import type { TlsReloader } from './tls-reload.ts';

export interface PeerSecurity {
  /** The stores and rules `ssl.quorum.*`; null: no TLS at all. */
  readonly tls: (TlsOptions & { readonly reloadOnChange: boolean }) | null;
  /** TLS is spoken when dialling, and expected from others (sslQuorum). */
  readonly sslQuorum: boolean;
  /** Others may come with TLS or without (portUnification). */
  readonly portUnification: boolean;
  /** Null: nobody authenticates itself. */
  readonly sasl: PeerSasl | null;
}

export const NO_SECURITY: PeerSecurity = { tls: null, sslQuorum: false, portUnification: false, sasl: null };

export interface PeerSocketOptions {
  readonly security: PeerSecurity;
  /** SO_KEEPALIVE (tcpKeepAlive). */
  readonly keepAlive: boolean;
  readonly log: Log;
}

/** An attempt to reach somebody. */
export interface Dial {
  /** Gives up; nothing is reported any more. */
  abort(): void;
}

/** Where somebody may be found, and how long to try. */
export interface DialOptions {
  readonly addresses: readonly HostPort[];
  readonly timeoutMs: number;
  onConnected(socket: Socket): void;
  /** Called once, when no address could be reached; never before `dial` has returned. */
  onFailed(reason: string): void;
}

/** Connections in their handshakes and after, on one port: far more than an ensemble has members. */
const CONNECTIONS_MAX = 1000;
const TLS_PREFIX = 'ssl.quorum';

export class PeerSockets {
  readonly #options: PeerSocketOptions;
  #dialTls: ((socket: Socket, host: string) => Socket) | null = null;
  #material: TlsMaterial | null = null;
  #modules: {
    readonly Acceptor: typeof TlsAcceptor;
    readonly detectTls: (bytes: Uint8Array) => 'tls' | 'plain' | 'undecided';
  } | null = null;
  readonly #acceptors = new Set<TlsAcceptor>();
  #reloader: TlsReloader | null = null;

  constructor(options: PeerSocketOptions) {
    this.#options = options;
  }

  /** Reads the key stores, if there is TLS. Rejects with TlsError. */
  async prepare(): Promise<void> {
    const { security, log } = this.#options;
    const { tls, sslQuorum, portUnification } = security;
    if (tls === null || !(sslQuorum || portUnification)) {
      return;
    }
    const [{ loadTls }, { TlsAcceptor: Acceptor, detectTls }, { connect: connectTls }] = await Promise.all([
      import('./tls.ts'),
      import('./tls-acceptor.ts'),
      import('node:tls'),
    ]);
    this.#material = loadTls(tls, TLS_PREFIX);
    for (const warning of this.#material.warnings) {
      log.warn(warning);
    }
    this.#modules = { Acceptor, detectTls };
    if (sslQuorum) {
      this.#dialTls = (socket, host) => connectTls(tlsClientOptions(this.#material as TlsMaterial, tls, socket, host));
    }
    if (tls.reloadOnChange) {
      const { TlsReloader } = await import('./tls-reload.ts');
      this.#reloader = new TlsReloader(tls, TLS_PREFIX, this.#material, log, (fresh) => {
        this.#material = fresh;
        for (const acceptor of this.#acceptors) {
          acceptor.replace(fresh);
        }
      });
    }
  }

  close(): void {
    this.#reloader?.close();
  }

  // ---- Dialling -----------------------------------------------------------------------------------------------------

  /** Tries all addresses at the same time; the first that answers is taken. */
  dial({ addresses, timeoutMs, onConnected, onFailed }: DialOptions): Dial {
    const trying = new Set<Socket>();
    const reasons: string[] = [];
    let isOver = false;
    const finish = (): void => {
      isOver = true;
      clearTimeout(timer);
      for (const socket of trying) {
        socket.destroy();
      }
    };
    const fail = (): void => {
      finish();
      const silence = addresses.length === 0 ? 'its address is not known' : `no answer within ${timeoutMs} ms`;
      onFailed(reasons.length === 0 ? silence : reasons.join(', '));
    };
    const timer = setTimeout(fail, addresses.length === 0 ? 0 : timeoutMs);
    for (const address of addresses) {
      const socket = this.#connect(address, (connected, error) => {
        trying.delete(socket);
        if (isOver) {
          connected?.destroy();
          return;
        }
        if (connected !== null) {
          finish();
          onConnected(connected);
          return;
        }
        reasons.push(`${addressText(address)}: ${error}`);
        if (reasons.length === addresses.length) {
          fail();
        }
      });
      trying.add(socket);
    }
    return { abort: finish };
  }

  /** Calls back once, not before it has returned. */
  #connect({ host, port }: HostPort, done: (socket: Socket | null, error: string) => void): Socket {
    const { keepAlive } = this.#options;
    let isSecuring = false;
    const plain = connect({ host, port, noDelay: true, keepAlive });
    const fail = (error: string): void => {
      if (!isDone) {
        isDone = true;
        plain.destroy();
        done(null, error);
      }
    };
    let isDone = false;
    let reason = 'the connection was closed';
    plain.on('error', (error) => {
      reason = error.message || ((error as NodeJS.ErrnoException).code ?? 'no connection');
    });
    plain.once('close', () => fail(isSecuring ? `${reason} during the TLS handshake` : reason));
    plain.once('connect', () => {
      if (this.#dialTls === null) {
        isDone = true;
        done(plain, '');
        return;
      }
      isSecuring = true;
      const secure = this.#dialTls(plain, host);
      secure.on('error', (error) => fail(error.message));
      secure.once('secureConnect', () => {
        if (!isDone) {
          isDone = true;
          done(secure, '');
        }
      });
    });
    return plain;
  }

  // ---- Listening ----------------------------------------------------------------------------------------------------

  /**
   * Opens a port. Rejects with the system's error when it cannot be had.
   *
   * @param host undefined: all addresses
   */
  async listen(host: string | undefined, port: number, onSocket: (socket: Socket) => void): Promise<PeerListener> {
    const acceptor = this.#createAcceptor(onSocket);
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true, keepAlive: this.#options.keepAlive }, (socket) => {
      socket.on('error', () => {}); // 'close' follows, and whoever owns it then hears of it
      if (sockets.size >= CONNECTIONS_MAX) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      this.#secure(socket, acceptor, onSocket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, ...(host !== undefined && { host }) }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new PeerListener(server, () => {
      if (acceptor !== null) {
        this.#acceptors.delete(acceptor);
      }
    });
  }

  #createAcceptor(onSocket: (socket: Socket) => void): TlsAcceptor | null {
    if (this.#modules === null) {
      return null;
    }
    const acceptor = new this.#modules.Acceptor(this.#material as TlsMaterial, {
      onSecure: (socket) => onSocket(socket),
      onRefused: (address, reason) => this.#options.log.warn(`a server at ${address} is refused: ${reason}`),
    });
    this.#acceptors.add(acceptor);
    return acceptor;
  }

  #secure(socket: Socket, acceptor: TlsAcceptor | null, onSocket: (socket: Socket) => void): void {
    if (acceptor === null) {
      onSocket(socket);
    } else if (this.#options.security.portUnification) {
      this.#detect(socket, acceptor, onSocket);
    } else {
      acceptor.accept(socket);
    }
  }

  /** The first bytes say which of the two it is; who sends too few for a while is taken to speak plainly. */
  #detect(socket: Socket, acceptor: TlsAcceptor, onSocket: (socket: Socket) => void): void {
    const detectTls = this.#modules?.detectTls;
    const { handshakeDetectionTimeoutMs } = this.#material as TlsMaterial;
    let head: Buffer = Buffer.alloc(0);
    const decide = (isTls: boolean): void => {
      socket.off('readable', onReadable);
      socket.setTimeout(0);
      socket.off('timeout', onTimeout);
      if (isTls) {
        acceptor.accept(socket, head);
        return;
      }
      if (head.length > 0) {
        socket.unshift(head);
      }
      onSocket(socket);
    };
    const onTimeout = (): void => decide(false);
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) {
        return;
      }
      // Kept here until it is decided: putting them back makes the socket readable again, at once and for ever.
      head = Buffer.concat([head, chunk]);
      const kind = detectTls?.(head);
      if (kind !== 'undecided') {
        decide(kind === 'tls');
      }
    };
    socket.setTimeout(handshakeDetectionTimeoutMs, onTimeout);
    socket.on('readable', onReadable);
  }
}

/** An open port. */
export class PeerListener {
  readonly #server: Server;
  readonly #onClose: () => void;

  constructor(server: Server, onClose: () => void) {
    this.#server = server;
    this.#onClose = onClose;
  }

  /** Takes nobody any more; connections that are open stay. */
  close(): void {
    this.#server.close();
    this.#onClose();
  }
}

/** Checks the other server's certificate as that server checks ours. */
function tlsClientOptions(material: TlsMaterial, options: TlsOptions, socket: Socket, host: string): ConnectionOptions {
  const { ca, ...context } = material.contextOptions;
  return {
    ...context,
    // Without a trust store the authorities that Node knows count.
    ...(Array.isArray(ca) && ca.length === 0 ? {} : { ca }),
    socket,
    host,
    rejectUnauthorized: true,
    ...(!options.verifyHostname && { checkServerIdentity: () => undefined }),
  };
}
