/**
 * The election port (quorum-protocol.md §2): one connection with each other server, dialled by the one with the larger
 * id, over which notifications travel. Who sends garbage loses its connection, and nobody else notices.
 */
import type { Socket } from 'node:net';
import type { Log } from '../io/log.ts';
import type { PeerAddresses } from '../io/peers.ts';
import { ElectionLink } from './election-link.ts';
import {
  addressText,
  authenticatePeer,
  authenticateToPeer,
  encodeInit,
  HandshakeReader,
  type HostPort,
  type InitSaid,
  PeerRefusal,
  readInit,
} from './peer-handshake.ts';
import { bindAll, type Listening } from './peer-ports.ts';
import type { Dial, PeerSecurity, PeerSockets } from './peer-sockets.ts';

export interface ElectionPortOptions {
  readonly serverId: number;
  /** INIT tells all our addresses, which 3.5 does not understand (multiAddress.enabled). */
  readonly isMultiAddress: boolean;
  /** Also on addresses that are not configured (quorumListenOnAllIPs). */
  readonly listensOnAllAddresses: boolean;
  /** How long a dial may take (cnxTimeout). */
  readonly connectTimeoutMs: number;
  /** How long INIT and authentication may take (quorumCnxnTimeoutMs). */
  readonly handshakeTimeoutMs: number;
  /** How often binding is tried; 0: for ever (electionPortBindRetry). */
  readonly bindAttemptsMax: number;
  readonly security: PeerSecurity;
  readonly log: Log;
  onNotification(serverId: number, bytes: Uint8Array): void;
  /** The port cannot be had: this server cannot take part in its ensemble. */
  onBindFailed(error: Error): void;
}

/** ZooKeeper's. */
export const CONNECT_TIMEOUT_MS_DEFAULT = 5000;
export const BIND_ATTEMPTS_MAX_DEFAULT = 3;

/** A notification that may have got lost with a link is sent again on the next, unless it is older than this. */
const RESEND_MS_MAX = 1000;
/** Apache ZooKeeper's for a server that was given no id. */
const NO_SERVER_ID = -1;
/** So long a server with a larger id has to dial us after we have said who we are, before we say it again. */
const DIAL_BACK_MS = 1000;

/** Everything about one other server. */
interface Other {
  readonly serverId: number;
  link: ElectionLink | null;
  dial: Dial | null;
  /** Waits for a link. */
  queued: Uint8Array | null;
  lastSent: { readonly bytes: Uint8Array; readonly atMs: number } | null;
  /** What it said in its INIT. */
  said: readonly HostPort[];
  /** When we have told it who we are, and wait for it to dial. */
  introducedAtMs: number;
  /** Its being out of reach has been reported. */
  isMissed: boolean;
}

export class ElectionPort {
  readonly #options: ElectionPortOptions;
  readonly #sockets: PeerSockets;
  readonly #others = new Map<number, Other>();
  readonly #handshakes = new Set<Socket>();
  #members = new Map<number, PeerAddresses>();
  #listening: Listening | null = null;

  constructor(options: ElectionPortOptions, sockets: PeerSockets) {
    this.#options = options;
    this.#sockets = sockets;
  }

  /** Opens the port at this server's addresses, which must be among the members. */
  open(): void {
    const { serverId, listensOnAllAddresses, bindAttemptsMax, log, onBindFailed } = this.#options;
    const own = this.#members.get(serverId)?.election ?? [];
    this.#listening = bindAll(this.#sockets, {
      addresses: own,
      listensOnAllAddresses,
      attemptsMax: bindAttemptsMax,
      what: 'election port',
      log,
      onSocket: (socket) => void this.#accept(socket),
      onFailed: onBindFailed,
    });
  }

  /** Resolves when the port is open, or will not be. */
  async opened(): Promise<void> {
    await this.#listening?.settled;
  }

  /** Closes the port and all connections. */
  close(): void {
    this.#listening?.close();
    this.#listening = null;
    for (const socket of this.#handshakes) {
      socket.destroy();
    }
    this.#handshakes.clear();
    for (const other of this.#others.values()) {
      other.dial?.abort();
      other.link?.close();
    }
    this.#others.clear();
  }

  setMembers(members: readonly PeerAddresses[]): void {
    this.#members = new Map(members.map((member) => [member.serverId, member]));
  }

  /** Sends over the connection that is there, or dials. One that has not left yet is replaced. */
  notify(serverId: number, notification: Uint8Array): void {
    if (serverId === this.#options.serverId) {
      return;
    }
    const other = this.#other(serverId);
    if (other.link !== null) {
      this.#send(other, other.link, notification);
      return;
    }
    other.queued = notification;
    this.#dial(other);
  }

  /** Dials all members to whom there is no connection. */
  dialAll(): void {
    for (const serverId of this.#members.keys()) {
      if (serverId !== this.#options.serverId) {
        this.#dial(this.#other(serverId));
      }
    }
  }

  #other(serverId: number): Other {
    let other = this.#others.get(serverId);
    if (other === undefined) {
      const introducedAtMs = Number.NEGATIVE_INFINITY;
      other = {
        serverId,
        link: null,
        dial: null,
        queued: null,
        lastSent: null,
        said: [],
        introducedAtMs,
        isMissed: false,
      };
      this.#others.set(serverId, other);
    }
    return other;
  }

  #send(other: Other, link: ElectionLink, bytes: Uint8Array): void {
    other.lastSent = { bytes, atMs: performance.now() };
    link.send(bytes);
  }

  // ---- Dialling (§2.1) ----------------------------------------------------------------------------------------------

  #dial(other: Other): void {
    const isExpected = performance.now() - other.introducedAtMs < DIAL_BACK_MS;
    if (other.link !== null || other.dial !== null || isExpected) {
      return;
    }
    const configured = this.#members.get(other.serverId)?.election ?? [];
    const said = other.said.filter((one) => !configured.some((two) => addressText(one) === addressText(two)));
    const addresses = [...configured, ...said];
    if (addresses.length === 0) {
      this.#forgetStranger(other); // it has not said where it is
      return;
    }
    other.dial = this.#sockets.dial({
      addresses,
      timeoutMs: this.#options.connectTimeoutMs,
      onConnected: (socket) => void this.#introduce(other, socket),
      onFailed: (reason) => {
        other.dial = null;
        this.#forgetStranger(other);
        if (!other.isMissed) {
          other.isMissed = true;
          this.#options.log.info(`server ${other.serverId} is not to be reached for an election: ${reason}`);
        }
      },
    });
  }

  /** Says who we are. The connection stays if our id is the larger; if not, the other side dials us now. */
  async #introduce(other: Other, socket: Socket): Promise<void> {
    const { serverId, isMultiAddress, handshakeTimeoutMs, security } = this.#options;
    const attempt = other.dial;
    const own = this.#members.get(serverId)?.election ?? [];
    const reader = this.#begin(socket, handshakeTimeoutMs);
    try {
      socket.write(encodeInit(serverId, own, isMultiAddress));
      if (security.sasl?.startClient) {
        await authenticateToPeer(socket, reader, security.sasl.startClient());
      }
      this.#end(socket, reader);
      if (other.serverId > serverId) {
        other.introducedAtMs = performance.now();
        socket.destroySoon();
      } else if (this.#others.get(other.serverId) === other && !socket.destroyed) {
        this.#adopt(other, socket);
      } else {
        socket.destroy();
      }
    } catch (error) {
      this.#refuse(socket, `server ${other.serverId}`, error, this.#end(socket, reader));
    }
    if (other.dial === attempt) {
      other.dial = null;
      this.#forgetStranger(other);
    }
  }

  // ---- Being dialled ------------------------------------------------------------------------------------------------

  async #accept(socket: Socket): Promise<void> {
    const { handshakeTimeoutMs, security, log } = this.#options;
    const reader = this.#begin(socket, handshakeTimeoutMs);
    let who = `whoever connected to the election port from ${socket.remoteAddress ?? 'somewhere'}`;
    try {
      const init = await readInit(reader);
      who = `server ${init.serverId} at ${socket.remoteAddress ?? 'somewhere'}`;
      const fault = security.sasl === null ? null : await authenticatePeer(socket, reader, security.sasl);
      if (fault !== null) {
        log.warn(`${who} takes part in elections unauthenticated: ${fault}`);
      }
      this.#welcome(socket, init);
      this.#end(socket, reader);
    } catch (error) {
      this.#refuse(socket, who, error, this.#end(socket, reader));
    }
  }

  /** Of two servers the one with the larger id keeps the connection that it dialled. */
  #welcome(socket: Socket, { serverId: id, addresses }: InitSaid): void {
    const serverId = Number(id);
    if (!Number.isSafeInteger(serverId) || serverId < NO_SERVER_ID) {
      throw new PeerRefusal(`${id} is not the id of a server: anonymous observers cannot take part, give it a myid`);
    }
    if (serverId === this.#options.serverId) {
      throw new PeerRefusal('it has our own id: two servers have the same myid');
    }
    if (!this.#handshakes.has(socket) || socket.destroyed) {
      return; // the port has been closed meanwhile, or the other side has gone
    }
    const other = this.#other(serverId);
    other.said = addresses;
    if (serverId > this.#options.serverId) {
      this.#adopt(other, socket);
      return;
    }
    socket.destroy();
    other.link?.close();
    other.link = null;
    other.introducedAtMs = Number.NEGATIVE_INFINITY;
    this.#dial(other);
  }

  /** The connection with the other server from now on; one that is there already is replaced. */
  #adopt(other: Other, socket: Socket): void {
    other.link?.close();
    other.introducedAtMs = Number.NEGATIVE_INFINITY;
    const link = new ElectionLink(socket, {
      onNotification: (bytes) => this.#options.onNotification(other.serverId, bytes),
      onGone: (reason) => {
        if (other.link === link) {
          other.link = null;
          this.#forgetStranger(other);
        }
        if (reason !== null) {
          this.#options.log.info(`the election connection with server ${other.serverId} is lost: ${reason}`);
        }
      },
    });
    other.link = link;
    other.isMissed = false;
    const { lastSent } = other;
    const isRecent = lastSent !== null && performance.now() - lastSent.atMs < RESEND_MS_MAX;
    const waiting = other.queued ?? (isRecent ? lastSent.bytes : null);
    other.queued = null;
    if (waiting !== null) {
      this.#send(other, link, waiting);
    }
  }

  // ---- Handshakes ---------------------------------------------------------------------------------------------------

  #begin(socket: Socket, timeoutMs: number): HandshakeReader {
    this.#handshakes.add(socket);
    return new HandshakeReader(socket, timeoutMs);
  }

  /** False: the port has been closed meanwhile, and the socket with it. */
  #end(socket: Socket, reader: HandshakeReader): boolean {
    reader.release();
    return this.#handshakes.delete(socket);
  }

  #refuse(socket: Socket, who: string, error: unknown, isOpen: boolean): void {
    if (!(error instanceof PeerRefusal)) {
      throw error;
    }
    socket.destroySoon();
    if (isOpen) {
      this.#options.log.warn(`the connection with ${who} is closed: ${error.message}`);
    }
  }

  /** Nothing is kept of servers that are no members and cannot be talked to. */
  #forgetStranger(other: Other): void {
    if (!this.#members.has(other.serverId) && other.link === null) {
      this.#others.delete(other.serverId);
    }
  }
}
