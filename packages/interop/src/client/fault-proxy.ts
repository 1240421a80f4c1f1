/** Stands between a client and a server, and does to their connections what networks do: cut, delay, truncate. */
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes held back, by direction. */
  readonly requests: Buffer[];
  readonly answers: Buffer[];
  /** Directions in which a chunk is being delayed, and those that have come behind it. */
  readonly delayed: Map<boolean, Buffer[]>;
  /** A chunk was truncated: nothing may come behind it. */
  isEnding: boolean;
}

/** Sees every chunk; returns how many of its bytes get through before the connection is cut, null for all of them. */
export type OnChunk = (chunk: Buffer, isRequest: boolean) => number | null;

export class FaultProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #upstream: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  readonly #sockets = new Set<Socket>();
  #isRefusing = false;
  #holdsRequests = false;
  #holdsAnswers = false;
  #onHeld: (() => void)[] = [];
  #turnedAway = 0;
  #onTurnedAway: (() => void) | null = null;
  /** What happens to chunks beside holding them. */
  onChunk: OnChunk = () => null;
  /** How long the next chunk is delayed, ms; those behind it wait with it. */
  onDelay: () => number = () => 0;
  /** Connections accepted so far. */
  accepted = 0;

  private constructor(server: string) {
    const [host, port] = server.split(':') as [string, string];
    this.#upstream = { host, port: Number(port) };
    this.#listener = createServer((client) => this.#accept(client));
  }

  static async start(server: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(server);
    await new Promise<void>((done) => proxy.#listener.listen(0, '127.0.0.1', done));
    return proxy;
  }

  /** `host:port` for clients. */
  get address(): string {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') {
      throw new Error('the proxy is closed');
    }
    return `127.0.0.1:${address.port}`;
  }

  /** New connections are closed as they come. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** So many connections were refused. */
  async untilTurnedAway(count: number): Promise<void> {
    while (this.#turnedAway < count) {
      await new Promise<void>((done) => {
        this.#onTurnedAway = done;
      });
    }
  }

  /** Nothing passes, in either direction, until it is let go. */
  hold(isHolding: boolean): void {
    this.#holdsRequests = isHolding;
    this.#holdsAnswers = isHolding;
    this.#release();
  }

  /** Requests pass, answers do not. */
  holdAnswers(isHolding: boolean): void {
    this.#holdsAnswers = isHolding;
    this.#release();
  }

  /** Something is being held back. */
  async untilHeld(): Promise<void> {
    const held = [...this.#pairs].some(({ requests, answers }) => requests.length + answers.length > 0);
    if (!held) {
      await new Promise<void>((done) => this.#onHeld.push(done));
    }
  }

  cutAll(): void {
    for (const pair of [...this.#pairs]) {
      this.#cut(pair);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((done) => this.#listener.close(done));
  }

  #accept(client: Socket): void {
    this.#keep(client);
    if (this.#isRefusing) {
      client.destroy();
      this.#turnedAway++;
      this.#onTurnedAway?.();
      return;
    }
    this.accepted++;
    const server = connect(this.#upstream);
    this.#keep(server);
    const pair: Pair = { client, server, requests: [], answers: [], delayed: new Map(), isEnding: false };
    this.#pairs.add(pair);
    client.on('data', (chunk) => this.#pass(pair, chunk, true));
    server.on('data', (chunk) => this.#pass(pair, chunk, false));
    client.on('close', () => this.#cut(pair));
    server.on('close', () => this.#cut(pair));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #pass(pair: Pair, chunk: Buffer, isRequest: boolean): void {
    if (isRequest ? this.#holdsRequests : this.#holdsAnswers) {
      (isRequest ? pair.requests : pair.answers).push(chunk);
      for (const done of this.#onHeld.splice(0)) {
        done();
      }
      return;
    }
    if (pair.isEnding) {
      return;
    }
    const behind = pair.delayed.get(isRequest);
    if (behind !== undefined) {
      behind.push(chunk);
      return;
    }
    const delayMs = this.onDelay();
    if (delayMs > 0) {
      pair.delayed.set(isRequest, []);
      setTimeout(() => this.#passDelayed(pair, chunk, isRequest), delayMs);
      return;
    }
    this.#deliver(pair, chunk, isRequest);
  }

  #passDelayed(pair: Pair, first: Buffer, isRequest: boolean): void {
    const behind = pair.delayed.get(isRequest) ?? [];
    pair.delayed.delete(isRequest);
    if (this.#pairs.has(pair) && !pair.isEnding) {
      this.#deliver(pair, first, isRequest);
      for (const chunk of behind) {
        this.#pass(pair, chunk, isRequest);
      }
    }
  }

  #deliver(pair: Pair, chunk: Buffer, isRequest: boolean): void {
    const passing = this.onChunk(chunk, isRequest);
    const to = isRequest ? pair.server : pair.client;
    if (passing === null) {
      to.write(chunk);
      return;
    }
    pair.isEnding = true;
    to.write(chunk.subarray(0, passing), () => this.#cut(pair));
  }

  #release(): void {
    for (const pair of this.#pairs) {
      if (!this.#holdsRequests) {
        for (const chunk of pair.requests.splice(0)) {
          pair.server.write(chunk);
        }
      }
      if (!this.#holdsAnswers) {
        for (const chunk of pair.answers.splice(0)) {
          pair.client.write(chunk);
        }
      }
    }
  }

  #cut(pair: Pair): void {
    if (this.#pairs.delete(pair)) {
      pair.client.destroy();
      pair.server.destroy();
    }
  }
}
