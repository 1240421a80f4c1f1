/** A client's connection to a server: the server's end of it, and both streams over the network. */
import type { ConnectionView } from '../checkers/connection-view.ts';
import { check } from '../checkers/violation.ts';
import type { SimulatedConnection } from '../connection.ts';
import type { SimulatedNetwork } from './network.ts';
import type { ServerProcess } from './server.ts';
import { Stream } from './stream.ts';

/** What the client hears of it. */
export interface PortOwner {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** It is gone, whoever closed it. */
  closed(reason: string): void;
}

export class ClientPort {
  readonly process: ServerProcess;
  readonly connection: SimulatedConnection;
  readonly view: ConnectionView;
  readonly #network: SimulatedNetwork;
  readonly #owner: PortOwner;
  readonly #up: Stream;
  readonly #down: Stream;
  /** The server does not read for now. */
  #held: Uint8Array[] = [];
  #sentBytes = 0;
  #deliveredBytes = 0;
  /** The client has closed its end, or heard that it is closed. */
  isClientGone = false;
  /** The server has been told that it is gone, or is no more. */
  isServerGone = false;

  constructor(
    network: SimulatedNetwork,
    clientId: number,
    process: ServerProcess,
    connection: SimulatedConnection,
    view: ConnectionView,
    owner: PortOwner,
  ) {
    this.#network = network;
    this.process = process;
    this.connection = connection;
    this.view = view;
    this.#owner = owner;
    this.#up = new Stream(network, clientId, process.serverId, (bytes) => this.#arrived(bytes));
    this.#down = new Stream(network, process.serverId, clientId, (bytes) => {
      if (!this.isClientGone) {
        owner.received(bytes);
      }
    });
    process.ports.add(this);
    process.push({ kind: 'client-open', connection });
    this.#down.behind(() => !this.isClientGone && owner.opened());
  }

  /** What the client has sent so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** The client sends. */
  send(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    this.#up.write(bytes.slice());
  }

  #arrived(bytes: Uint8Array): void {
    if (this.isServerGone) {
      return;
    }
    if (this.connection.paused) {
      this.#held.push(bytes);
      return;
    }
    this.#deliveredBytes += bytes.length;
    this.view.deliveredThrough(this.#deliveredBytes, this.#network.events.nowMs);
    this.process.push({ kind: 'client-data', connection: this.connection, bytes });
  }

  /** The client closes its end. */
  closeByClient(): void {
    if (this.isClientGone) {
      return;
    }
    this.isClientGone = true;
    this.#down.break(false);
    this.#up.behind(() => this.#serverHears());
  }

  /** The connection breaks: both ends hear of it, and some of what was under way may have arrived. */
  cut(): void {
    this.#up.break(true);
    this.#down.break(true);
    this.#serverHears();
    this.#clientHears('the connection was reset');
  }

  /** The server's end is closed: the process has ended. With its machine's power gone, the client is not told. */
  serverEnded(withPower: boolean): void {
    this.isServerGone = true;
    this.connection.closed = true;
    this.process.ports.delete(this);
    if (withPower) {
      this.#down.break(false);
    } else {
      this.#down.behind(() => this.#clientHears('the server is gone'));
    }
  }

  /** The server has sent something. */
  sendToClient(bytes: Buffer): void {
    if (!this.isClientGone) {
      this.#down.write(bytes);
    }
  }

  /** A turn is over: if the server has closed the connection, the client will hear of it. */
  afterTurn(): void {
    const { connection } = this;
    if (connection.closed) {
      this.process.ports.delete(this);
      this.#serverHears();
      this.#up.break(false);
      this.#down.behind(() => this.#clientHears('the server closed the connection'));
    } else if (!connection.paused && this.#held.length > 0) {
      for (const bytes of this.#held.splice(0)) {
        this.#arrived(bytes);
      }
    }
  }

  /** The client stops reading, or goes on: what the server writes meanwhile stays with its host. */
  setBlocked(isBlocked: boolean): void {
    const { connection } = this;
    if (connection.closed || connection.blocked === isBlocked) {
      return;
    }
    if (isBlocked) {
      connection.blocked = true;
      return;
    }
    const hadUnsent = connection.unsentBytes > 0;
    const fact = () => `a buffer handed to connection ${connection.remotePort} was used again`;
    check(connection.unblock(), 'buffers', fact);
    if (hadUnsent) {
      this.process.push({ kind: 'client-drained', connection });
    }
  }

  #serverHears(): void {
    if (!this.isServerGone) {
      this.isServerGone = true;
      this.process.push({ kind: 'client-gone', connection: this.connection });
    }
  }

  #clientHears(reason: string): void {
    if (!this.isClientGone) {
      this.isClientGone = true;
      this.#owner.closed(reason);
    }
  }
}
