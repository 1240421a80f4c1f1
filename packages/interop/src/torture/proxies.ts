/**
 * A proxy on loopback for each server's way to each other's quorum and election ports. What is cut is not read any more:
 * the kernel's buffers fill, and nobody is told, as with a partition. Clients reach the servers without proxies.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Network, Role, Seat, Slowness } from './network.ts';

/** One direction of one connection. */
interface Flow {
  readonly from: number;
  readonly to: number;
  readonly source: Socket;
  readonly target: Socket;
  /** When the last of the delayed steps is due. */
  dueMs: number;
  /** Each has a timer; whichever fires first takes the first of them, so that bytes keep their order. */
  readonly delayed: (() => void)[];
}

interface Ports {
  readonly client: number;
  readonly quorum: number;
  readonly election: number;
}

export class ProxyNetwork implements Network {
  readonly description = 'loopback with proxies between the servers: partitions and delay, no loss of packets';
  readonly #roles: readonly Role[];
  readonly #ports: readonly Ports[];
  /** `from>to` and the port behind. */
  readonly #proxies = new Map<string, number>();
  readonly #listeners: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #flows = new Set<Flow>();
  readonly #cuts = new Set<string>();
  readonly #delaysMs = new Map<number, number>();

  private constructor(roles: readonly Role[], ports: readonly Ports[]) {
    this.#roles = roles;
    this.#ports = ports;
  }

  static async create(roles: readonly Role[]): Promise<ProxyNetwork> {
    const size = roles.length;
    // Held until the proxies have theirs: else one of them might get a server's.
    const held = await Promise.all(Array.from({ length: 3 * size }, () => listenAnywhere(createServer())));
    const [client, quorum, election] = [0, 1, 2].map((i) => held.slice(i * size, (i + 1) * size).map(portOf));
    const ports = roles.map((_, i) => ({ client: client[i], quorum: quorum[i], election: election[i] }));
    const network = new ProxyNetwork(roles, ports);
    for (let from = 1; from <= size; from++) {
      for (let to = 1; to <= size; to++) {
        if (from !== to) {
          await network.#listen(from, to, ports[to - 1].quorum);
          await network.#listen(from, to, ports[to - 1].election);
        }
      }
    }
    await Promise.all(held.map(closed));
    return network;
  }

  async #listen(from: number, to: number, port: number): Promise<void> {
    const listener = createServer({ allowHalfOpen: true }, (socket) => this.#accept(from, to, port, socket));
    await listenAnywhere(listener);
    this.#listeners.push(listener);
    this.#proxies.set(`${from}>${port}`, portOf(listener));
  }

  seat(serverId: number): Seat {
    const lines = this.#ports.map(({ client, quorum, election }, i): [string, string] => {
      const isOwn = i + 1 === serverId;
      const [near, far] = isOwn ? [quorum, election] : [this.#way(serverId, quorum), this.#way(serverId, election)];
      return [`server.${i + 1}`, `127.0.0.1:${near}:${far}:${this.#roles[i]};127.0.0.1:${client}`];
    });
    const clientPort = this.#ports[serverId - 1].client;
    return { host: '127.0.0.1', clientPort, lines: Object.fromEntries(lines), prefix: [] };
  }

  #way(from: number, port: number): number {
    return this.#proxies.get(`${from}>${port}`) ?? port;
  }

  async cut(from: number, to: number): Promise<void> {
    this.#cuts.add(`${from}>${to}`);
    for (const flow of this.#flows) {
      this.#regulate(flow);
    }
  }

  async slow(serverId: number, { delayMs }: Slowness): Promise<void> {
    this.#delaysMs.set(serverId, delayMs);
  }

  async heal(): Promise<void> {
    this.#cuts.clear();
    this.#delaysMs.clear();
    for (const flow of this.#flows) {
      this.#regulate(flow);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await Promise.all(this.#listeners.map(closed));
  }

  #accept(from: number, to: number, port: number, near: Socket): void {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#join({ from, to, source: near, target: far, dueMs: 0, delayed: [] });
    this.#join({ from: to, to: from, source: far, target: near, dueMs: 0, delayed: [] });
  }

  #join(flow: Flow): void {
    const { source, target } = flow;
    this.#flows.add(flow);
    this.#sockets.add(source);
    source.setNoDelay(true);
    source.on('data', (chunk) => this.#later(flow, () => target.write(chunk)));
    source.on('end', () => this.#later(flow, () => target.end()));
    source.on('error', () => source.destroy());
    source.on('close', () => {
      this.#flows.delete(flow);
      this.#sockets.delete(source);
      this.#later(flow, () => target.destroySoon());
    });
    this.#regulate(flow);
  }

  #regulate({ from, to, source }: Flow): void {
    if (this.#cuts.has(`${from}>${to}`)) {
      source.pause();
    } else {
      source.resume();
    }
  }

  #later(flow: Flow, act: () => void): void {
    const now = performance.now();
    flow.dueMs = Math.max(flow.dueMs, now + (this.#delaysMs.get(flow.from) ?? 0));
    if (flow.dueMs <= now && flow.delayed.length === 0) {
      act();
      return;
    }
    flow.delayed.push(act);
    setTimeout(() => flow.delayed.shift()?.(), flow.dueMs - now);
  }
}

function listenAnywhere(listener: Server): Promise<Server> {
  return new Promise((done) => listener.listen(0, '127.0.0.1', () => done(listener)));
}

function portOf(listener: Server): number {
  return (listener.address() as AddressInfo).port;
}

function closed(listener: Server): Promise<void> {
  return new Promise((done) => listener.close(() => done()));
}
