/** TLS on accepted sockets, for the TLS port and the unified port alike. */
import { reverse } from 'node:dns';
import { isIPv4, type Socket } from 'node:net';
import { checkServerIdentity, createServer, type Server, type TLSSocket } from 'node:tls';
import { subjectRfc2253 } from './distinguished-name.ts';
import { createTlsServerOptions, type TlsMaterial } from './tls.ts';

/** The first byte of a TLS connection: a handshake record. */
const HANDSHAKE_RECORD = 0x16;
/** Kind, version and length of a record. */
const RECORD_HEADER_BYTES = 5;

/**
 * What a client on a unified port speaks, by its first bytes (client-protocol.md §2.10). 'undecided' wants more of
 * them: there are none yet, or the first is that of TLS and the record header is not complete.
 */
export function detectTls(bytes: Uint8Array): 'tls' | 'plain' | 'undecided' {
  if (bytes.length === 0) {
    return 'undecided';
  }
  // At once: a four-letter word has only four bytes.
  if (bytes[0] !== HANDSHAKE_RECORD) {
    return 'plain';
  }
  if (bytes.length < RECORD_HEADER_BYTES) {
    return 'undecided';
  }
  return bytes[1] === 3 ? 'tls' : 'plain';
}

export interface TlsHandlers {
  /** @param certificateSubject of the verified certificate, RFC 2253; null when the client has shown none */
  onSecure(socket: TLSSocket, certificateSubject: string | null): void;
  /** The socket is closed. Failed handshakes are everyday life on an open port: nothing here is the server's fault. */
  onRefused(remoteAddress: string, reason: string): void;
}

/** node:dns's reverse. */
export type LookUpNames = (address: string, callback: (error: Error | null, names: string[]) => void) => void;

/**
 * Turns sockets into TLS sockets and checks the certificates of clients. It listens to nothing itself: the sockets come
 * from a plain listener.
 */
export class TlsAcceptor {
  #material: TlsMaterial;
  readonly #handlers: TlsHandlers;
  readonly #lookUpNames: LookUpNames;
  readonly #server: Server;
  #handshakes = 0;

  /** @param lookUpNames the names of an address, from DNS unless said otherwise */
  constructor(material: TlsMaterial, handlers: TlsHandlers, lookUpNames: LookUpNames = reverse) {
    this.#material = material;
    this.#lookUpNames = lookUpNames;
    this.#handlers = handlers;
    this.#server = createServer(createTlsServerOptions(material));
    this.#server.on('secureConnection', (socket) => {
      socket.on('error', () => {}); // until the connection has its own listener, and while a name is looked up
      this.#verify(socket);
    });
    // Comes once for every connection that ends before it is secure, for whatever reason.
    this.#server.on('tlsClientError', (error, socket) => {
      socket.destroy();
      this.#refused(socket, refusalReason(error, socket));
    });
  }

  /** Handshakes in flight. */
  get handshakes(): number {
    return this.#handshakes;
  }

  /**
   * Starts the handshake. The socket must have no `data` or `readable` listener left.
   * @param head what has been read from it already
   */
  accept(socket: Socket, head?: Buffer): void {
    this.#handshakes += 1;
    socket.on('error', () => {}); // the TLS socket reports it
    if (head !== undefined && head.length > 0) {
      socket.unshift(head);
    }
    this.#server.emit('connection', socket);
  }

  /** Connections from now on use the new material; those that are open stay as they are. */
  replace(material: TlsMaterial): void {
    this.#material = material;
    this.#server.setSecureContext(material.contextOptions);
  }

  #verify(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      if (this.#material.clientAuth === 'need') {
        this.#refuse(socket, 'no client certificate');
      } else {
        this.#secure(socket, null);
      }
      return;
    }
    if (!socket.authorized) {
      this.#refuse(socket, `the client certificate does not verify: ${socket.authorizationError}`);
      return;
    }
    const subject = subjectRfc2253(certificate.raw);
    if (!this.#material.verifyClientHostname || namesHost(socket, hostOf(socket))) {
      this.#secure(socket, subject);
    } else if (this.#material.allowReverseDnsLookup) {
      this.#lookUpNames(hostOf(socket), (error, names) => {
        if (error === null && names.some((name) => namesHost(socket, name))) {
          this.#secure(socket, subject);
        } else {
          this.#refuse(socket, `the certificate of ${subject} names neither its address nor its host`);
        }
      });
    } else {
      this.#refuse(socket, `the certificate of ${subject} does not name its address`);
    }
  }

  #secure(socket: TLSSocket, subject: string | null): void {
    this.#handshakes -= 1;
    if (!socket.destroyed) {
      this.#handlers.onSecure(socket, subject);
    }
  }

  #refuse(socket: TLSSocket, reason: string): void {
    const host = hostOf(socket);
    socket.destroy();
    this.#handshakes -= 1;
    this.#handlers.onRefused(host, reason);
  }

  #refused(socket: TLSSocket, reason: string): void {
    this.#handshakes -= 1;
    this.#handlers.onRefused(hostOf(socket), reason);
  }
}

/** IPv4 addresses arrive in IPv6 clothes on a socket that listens to both. */
function hostOf(socket: TLSSocket): string {
  const address = socket.remoteAddress ?? 'unknown';
  const plain = address.replace(/^::ffff:/, '');
  return isIPv4(plain) ? plain : address;
}

/** The same rules by which clients check servers. */
function namesHost(socket: TLSSocket, host: string): boolean {
  return checkServerIdentity(host, socket.getPeerCertificate()) === undefined;
}

function refusalReason(error: Error, socket: TLSSocket): string {
  // Node closes without a word when a certificate does not verify, and leaves the reason here.
  const verification: unknown = socket.authorizationError;
  if (verification !== null && verification !== undefined) {
    return `the client certificate does not verify: ${String(verification)}`;
  }
  const openSsl = 'reason' in error ? String(error.reason) : error.message;
  return `the TLS handshake failed: ${openSsl}`;
}
