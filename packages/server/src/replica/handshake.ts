/** The first frame of a connection: a new session, or an old one resumed (client-protocol.md §2). */
import { ConnectRequest, ConnectResponse, JuteError, JuteReader } from '@treekeeper/protocol';
import { isSessionPassword, sessionPassword } from '../sessions/password.ts';
import { negotiateTimeout, type Session, type SessionTable } from '../sessions/session-table.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Outputs } from './output.ts';

export interface SessionTimeouts {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
}

export interface HandshakePorts {
  readonly sessions: SessionTable<ClientConnection>;
  readonly outputs: Outputs;
  readonly timeouts: SessionTimeouts;
  /** There is no quorum: only clients that can do without one are taken. */
  readonly isReadOnly: boolean;
  lastZxid(): number;
  /** The connection throttle lets this handshake through. */
  admit(sessionId: bigint): boolean;
  /** Starts a session for the connection; `opened` follows, now or when its transaction has been applied. */
  begin(client: ClientConnection, timeoutMs: number): void;
  /** A client wants to go on with a session, whatever comes of it. */
  resumes(): void;
  /** The session is this connection's from now on. */
  attach(client: ClientConnection, session: Session<ClientConnection>, timeoutMs: number): void;
  /** Asks the leader whether a session that is not ours to judge is alive (§2.3, step 10); null: none but ours are. */
  readonly revalidate: ((client: ClientConnection, sessionId: bigint, timeoutMs: number) => void) | null;
  /** Waits until it is certain that a session is gone; null: it is. */
  readonly whenSure: ((client: ClientConnection, then: () => void) => void) | null;
  /** The client will be told that this session is gone, and it is certain. */
  gone(sessionId: bigint): void;
  close(client: ClientConnection): void;
}

const NO_PASSWORD = new Uint8Array(16);
const PROTOCOL_VERSION = 0;

export class Handshake {
  readonly #ports: HandshakePorts;
  readonly #reader = new JuteReader();

  constructor(ports: HandshakePorts) {
    this.#ports = ports;
  }

  /** Takes the ConnectRequest, and decides in the order of §2.3. */
  accept(client: ClientConnection, bytes: Uint8Array, start: number, end: number): void {
    const { sessions, timeouts } = this.#ports;
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    let request: ConnectRequest;
    try {
      request = ConnectRequest.decode(reader);
    } catch (error) {
      if (error instanceof JuteError) {
        this.#ports.close(client);
        return;
      }
      throw error;
    }
    client.readOnlyByte = reader.remaining > 0;
    const isContent = client.readOnlyByte && reader.boolean();
    const { sessionId } = request;
    if (this.#ports.isReadOnly && !isContent) {
      this.#ports.close(client);
      return;
    }
    if (!this.#ports.admit(sessionId) || request.lastZxidSeen > this.#ports.lastZxid()) {
      // A client that has seen more than this server must find another (trap 26).
      this.#ports.close(client);
      return;
    }
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = timeouts;
    const timeoutMs = negotiateTimeout(request.timeOut, minSessionTimeoutMs, maxSessionTimeoutMs);
    if (sessionId === 0n) {
      this.#ports.begin(client, timeoutMs);
      return;
    }
    this.#ports.resumes();
    const session = sessions.get(sessionId);
    if (this.#ports.isReadOnly && session?.local !== true) {
      // It may live on, even if it was never heard of here: only a quorum can say that it is gone.
      this.#ports.close(client);
      return;
    }
    this.#cutOff(session); // even before the password is looked at (trap 24)
    if (!isSessionPassword(sessionId, request.passwd)) {
      this.refuse(client);
      return;
    }
    if (this.#ports.revalidate !== null && session?.local !== true && session?.closing !== true) {
      this.#ports.revalidate(client, sessionId, timeoutMs);
      return;
    }
    if (session === undefined || session.closing) {
      const { whenSure } = this.#ports;
      if (whenSure === null) {
        this.refuse(client);
      } else {
        whenSure(client, () => this.#goOnOrRefuse(client, sessionId, timeoutMs));
      }
      return;
    }
    this.#ports.attach(client, session, timeoutMs);
    this.opened(client, sessionId, timeoutMs);
  }

  /** Whoever was connected with the session before. */
  #cutOff(session: Session<ClientConnection> | undefined): void {
    const owner = session?.owner ?? null;
    if (owner !== null) {
      this.#ports.close(owner);
    }
  }

  /** It is certain what is known of the session now; another server's local one may have become global meanwhile. */
  #goOnOrRefuse(client: ClientConnection, sessionId: bigint, timeoutMs: number): void {
    const session = this.#ports.sessions.get(sessionId);
    if (session === undefined || session.closing) {
      this.#ports.gone(sessionId);
      this.refuse(client);
      return;
    }
    this.#cutOff(session);
    this.#ports.attach(client, session, timeoutMs);
    this.opened(client, sessionId, timeoutMs);
  }

  /** Tells the client its session. */
  opened(client: ClientConnection, sessionId: bigint, timeoutMs: number): void {
    client.phase = 'open';
    this.#answer(client, sessionId, timeoutMs, sessionPassword(sessionId));
  }

  /** Tells the client that its session is gone. */
  refuse(client: ClientConnection): void {
    this.#answer(client, 0n, 0, NO_PASSWORD);
    this.#ports.close(client);
  }

  /** The read-only byte exactly when the request had one (trap 1). */
  #answer(client: ClientConnection, sessionId: bigint, timeOut: number, passwd: Uint8Array): void {
    const output = this.#ports.outputs.of(client);
    const start = output.reserve(4);
    ConnectResponse.encode(output, { protocolVersion: PROTOCOL_VERSION, timeOut, sessionId, passwd });
    if (client.readOnlyByte) {
      output.boolean(this.#ports.isReadOnly);
    }
    output.setInt(start, output.length - start - 4);
    client.statistics.packetsSent++;
  }
}
