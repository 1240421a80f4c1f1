/**
 * The client connections: accepted, read from, held back, written to, closed. They are there whether or not this server
 * serves; what their frames mean is for the service of the moment to say.
 */
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Connection } from '../io/connection.ts';
import type { Log } from '../io/log.ts';
import { ExpiryQueue } from '../sessions/expiry.ts';
import { ClientConnection, PauseReason } from './client-connection.ts';
import { Inbound, type InboundService, type ProbeAnswer } from './inbound.ts';
import type { Instruments } from './instruments.ts';
import type { Outputs } from './output.ts';

/** What connections are told at the start. */
export interface ConnectionOptions {
  /** The largest frame a client may send. */
  readonly frameBytesMax: number;
  /** A connection that has not shaken hands after this is closed. */
  readonly sessionlessTimeoutMs: number;
  /** Output waiting for a client that does not read: from here its requests are not read either. */
  readonly unsentBytesPause: number;
  /** Beyond what it had asked for when that limit was reached: from here it is cut off. */
  readonly unsentBytesMax: number;
}

export interface ConnectionPorts {
  readonly clock: Clock;
  readonly credentials: Credentials;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly outputs: Outputs;
  /** Puts an event into a connection's output. zxid −1: unknown. */
  sendEvent(client: ClientConnection, type: number, path: string, zxid: number): void;
  /** Answers a four-letter word; null: these four bytes are none. */
  probe(word: Uint8Array, argument: Uint8Array): ProbeAnswer | null;
}

/** The service of the moment, as connections need it. */
export interface ConnectionService extends InboundService {
  /** The connection is gone: nobody waits for its answers. */
  forget(client: ClientConnection): void;
}

export class Connections {
  readonly byConnection = new Map<Connection, ClientConnection>();
  readonly #options: ConnectionOptions;
  readonly #ports: ConnectionPorts;
  readonly #outputs: Outputs;
  readonly #inbound: Inbound;
  /** Those that have no session yet. */
  readonly #sessionless: ExpiryQueue<ClientConnection>;
  /** Those whose requests waited for their answers to leave, and they have: they go on in the same turn. */
  readonly #relieved: ClientConnection[] = [];
  #service: ConnectionService | null = null;
  /** Until then there will be a service, probably. */
  #serviceDueMs = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<ClientConnection>();

  constructor(options: ConnectionOptions, ports: ConnectionPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#outputs = ports.outputs;
    this.#sessionless = new ExpiryQueue(options.sessionlessTimeoutMs);
    this.#inbound = new Inbound({
      outputs: ports.outputs,
      instruments: ports.instruments,
      probe: (word, argument) => ports.probe(word, argument),
      close: (client) => this.close(client),
      wait: (client) => this.#wait(client),
    });
  }

  /**
   * Who takes frames from now on; null: nobody does, and who sends one is closed.
   *
   * @param dueMs with null: until then somebody will, so that who sends a frame waits
   */
  serve(service: ConnectionService | null, dueMs = Number.NEGATIVE_INFINITY): void {
    this.#service = service;
    this.#inbound.serve(service);
    this.#serviceDueMs = dueMs;
    if (service !== null) {
      this.#resumeWaiting();
    }
  }

  #wait(client: ClientConnection): boolean {
    if (this.#ports.clock.nowMs >= this.#serviceDueMs) {
      return false;
    }
    this.#waiting.add(client);
    this.pause(client, PauseReason.serving);
    return true;
  }

  /** What they have sent is taken now; or, without a service, nobody took it in time, and they are closed. */
  #resumeWaiting(): void {
    for (const client of [...this.#waiting]) {
      this.#waiting.delete(client);
      this.resume(client, PauseReason.serving);
    }
  }

  /** Nothing more is taken from anyone. */
  stop(): void {
    for (const client of this.byConnection.values()) {
      client.ending = true;
    }
  }

  /** Everyone who has said anything but a four-letter word has to find another server, or come again. */
  closeAll(): void {
    for (const client of this.byConnection.values()) {
      if (client.phase !== 'new' || client.probe === 'no') {
        client.ending = true;
        this.close(client);
      }
    }
  }

  open(connection: Connection): void {
    const { clock, credentials, instruments, sendEvent } = this.#ports;
    const { frameBytesMax, sessionlessTimeoutMs } = this.#options;
    const identities = credentials.initialIdentities(connection);
    const client = new ClientConnection(connection, frameBytesMax, identities, clock.wallMs, sendEvent);
    this.byConnection.set(connection, client);
    instruments.connected(connection.remoteAddress, connection.certificateSubject !== null);
    this.#sessionless.touch(client, clock.nowMs, sessionlessTimeoutMs);
  }

  received(connection: Connection, bytes: Uint8Array): void {
    const client = this.byConnection.get(connection);
    if (client !== undefined) {
      this.#inbound.receive(client, bytes);
    }
  }

  drained(connection: Connection): void {
    const client = this.byConnection.get(connection);
    if (client !== undefined) {
      client.askedBytes = 0;
      this.resume(client, PauseReason.output);
    }
  }

  /**
   * Nothing is read from it and nothing written to it any more: it is forgotten, with its watches. A connection that
   * this server closes is gone with the turn, not when its client has taken what was left for it: one that has stopped
   * reading takes nothing, and all that it watches would be written for it in vain.
   */
  gone(connection: Connection): void {
    const client = this.byConnection.get(connection);
    if (client === undefined) {
      return;
    }
    this.byConnection.delete(connection);
    client.gone = true;
    this.#service?.forget(client);
    this.#ports.credentials.forget(client);
    this.#sessionless.remove(client);
    this.#waiting.delete(client);
  }

  /** The connection has a session, or will get one. */
  shookHands(client: ClientConnection): void {
    this.#sessionless.remove(client);
  }

  /** Closes the connections that have not shaken hands in time, and those that have waited too long to do so. */
  expire(nowMs: number): void {
    if (this.#waiting.size > 0 && nowMs >= this.#serviceDueMs) {
      this.#resumeWaiting();
    }
    for (const client of this.#sessionless.takeExpired(nowMs)) {
      this.#ports.instruments.metrics.sessionless_connections_expired.add(1);
      this.close(client);
    }
  }

  /** Nothing more is read; what is in the output leaves first. */
  close(client: ClientConnection): void {
    client.phase = 'closing';
    if (client.gone) {
      return;
    }
    client.closeAfterFlush = true;
    this.#outputs.of(client);
  }

  /** One write for each connection with output. True: some could go on thereupon, and may have brought transactions. */
  flush(): boolean {
    this.#outputs.flush(this.#onWritten);
    if (this.#relieved.length === 0) {
      return false;
    }
    for (let client = this.#relieved.pop(); client !== undefined; client = this.#relieved.pop()) {
      this.resume(client, PauseReason.output);
      this.#outputs.flush(this.#onWritten);
    }
    return true;
  }

  readonly #onWritten = (client: ClientConnection): void => {
    if (client.closeAfterFlush) {
      client.connection.close();
      this.gone(client.connection);
      return;
    }
    const { unsentBytes } = client.connection;
    const { unsentBytesPause, unsentBytesMax } = this.#options;
    if (client.askedBytes === 0 && unsentBytes > unsentBytesPause) {
      client.askedBytes = unsentBytes;
    }
    if (unsentBytes > client.askedBytes + unsentBytesMax) {
      this.#ports.log.warn(
        `${client.connection.remoteAddress}:${client.connection.remotePort} does not read: ${unsentBytes} bytes are ` +
          'waiting for it. The connection is closed; its session lives on until its timeout',
      );
      client.connection.cut();
      this.gone(client.connection);
    } else if (unsentBytes > unsentBytesPause) {
      this.pause(client, PauseReason.output);
    } else if ((client.pauses & PauseReason.output) !== 0) {
      client.askedBytes = 0;
      this.#relieved.push(client);
    }
  };

  pause(client: ClientConnection, reason: number): void {
    if (client.pauses === 0) {
      client.connection.pauseReading();
    }
    client.pauses |= reason;
  }

  /** Goes on with the frames that were left, then with the socket. */
  resume(client: ClientConnection, reason: number): void {
    if ((client.pauses & reason) === 0 || client.gone) {
      return;
    }
    client.pauses &= ~reason;
    if (client.pauses === 0) {
      this.#inbound.goOn(client);
    }
    if (client.pauses === 0) {
      client.heldSinceMs = -1; // what was held has been taken in
    }
    if (client.pauses === 0 && client.phase !== 'closing') {
      client.connection.resumeReading();
    }
  }
}
