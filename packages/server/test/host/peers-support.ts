/** Servers with real ports on loopback, and sockets that pretend to be one. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { NodePeers, type NodePeersOptions } from '../../src/host/node-peers.ts';
import type { Link, PeerAddresses, PeerInput } from '../../src/io/peers.ts';

const HOST = '127.0.0.1';

const cleanups: (() => void)[] = [];

/** For afterEach. */
export function closeAll(): void {
  for (const cleanup of cleanups.splice(0)) {
    cleanup();
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, HOST);
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** Members 1, 2, ... each with ports of its own. */
export async function membersOf(count: number): Promise<PeerAddresses[]> {
  const ports = await freePorts(2 * count);
  return Array.from({ length: count }, (_, i) => ({
    serverId: i + 1,
    quorum: [{ host: HOST, port: ports[2 * i] }],
    election: [{ host: HOST, port: ports[2 * i + 1] }],
  }));
}

export class TestPeers {
  readonly inputs: PeerInput[] = [];
  readonly warnings: string[] = [];
  readonly infos: string[] = [];
  readonly bindFailures: string[] = [];
  peers!: NodePeers;
  #wake: () => void = () => {};

  /** With its election port open. */
  static async open(
    serverId: number,
    members: readonly PeerAddresses[],
    options: Partial<NodePeersOptions> = {},
  ): Promise<TestPeers> {
    const test = new TestPeers();
    const note = (list: string[]) => (message: string) => {
      list.push(message);
      test.#wake();
    };
    test.peers = await NodePeers.create({
      serverId,
      handshakeTimeoutMs: 30_000,
      log: { info: note(test.infos), warn: note(test.warnings), error: note(test.warnings) },
      push: (input) => {
        test.inputs.push(input);
        test.#wake();
      },
      onBindFailed: (error) => note(test.bindFailures)(error.message),
      ...options,
    });
    cleanups.push(() => test.peers.close());
    test.peers.setMembers(members, false);
    await test.peers.opened();
    return test;
  }

  /** Waits for something that is bound to come. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) {
        return found;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** All notifications that came, `<server>: <text>`. */
  get heard(): string[] {
    return this.inputs.flatMap((input) =>
      input.kind === 'notification' ? [`${input.serverId}: ${Buffer.from(input.bytes).toString()}`] : [],
    );
  }

  async hears(text: string): Promise<void> {
    await this.until(() => this.heard.includes(text));
  }

  async opens(dialled: boolean): Promise<Link> {
    const isIt = (input: PeerInput) => input.kind === 'link-open' && input.dialled === dialled;
    const input = await this.until(() => this.inputs.find(isIt));
    return (input as Extract<PeerInput, { kind: 'link-open' }>).link;
  }

  /** What has come over a link. */
  textOf(link: Link): string {
    const chunks = this.inputs.flatMap((input) =>
      input.kind === 'link-data' && input.link === link ? [Buffer.from(input.bytes)] : [],
    );
    return Buffer.concat(chunks).toString('latin1');
  }

  async receives(link: Link, text: string): Promise<void> {
    await this.until(() => this.textOf(link) === text);
  }

  async loses(link: Link): Promise<void> {
    await this.until(() => this.inputs.some((input) => input.kind === 'link-gone' && input.link === link));
  }
}

/** The other end of a socket, by hand. */
export class RawPeer {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    cleanups.push(() => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  static async dial(port: number): Promise<RawPeer> {
    const socket = connect(port, HOST);
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  send(hexOrBytes: string | Uint8Array): this {
    this.socket.write(typeof hexOrBytes === 'string' ? Buffer.from(hexOrBytes, 'hex') : hexOrBytes);
    return this;
  }

  /** The next bytes, in hex. */
  async read(sizeBytes: number): Promise<string> {
    await this.#until(() => this.#bytes.length >= sizeBytes || this.#isEnded);
    const bytes = this.#bytes.subarray(0, sizeBytes);
    this.#bytes = this.#bytes.subarray(bytes.length);
    return bytes.toString('hex');
  }

  /** Whatever comes until the other side closes, in hex. */
  async readAll(): Promise<string> {
    await this.closed();
    return this.read(this.#bytes.length);
  }

  async closed(): Promise<void> {
    await this.#until(() => this.#isEnded);
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A port where the test answers by hand. */
export class RawPort {
  readonly #server: Server;
  readonly #accepted: RawPeer[] = [];
  #wake: () => void = () => {};

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#accepted.push(new RawPeer(socket));
      this.#wake();
    });
    cleanups.push(() => this.#server.close());
  }

  static async open(port: number): Promise<RawPort> {
    const server = createServer().listen(port, HOST);
    await once(server, 'listening');
    return new RawPort(server);
  }

  async accept(): Promise<RawPeer> {
    while (this.#accepted.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#accepted.shift() as RawPeer;
  }
}

/** INIT of 3.5 and later, as hex. */
export function initHex(serverId: number | bigint, addresses: string, version = -65536n): string {
  const head = Buffer.alloc(20);
  head.writeBigInt64BE(version, 0);
  head.writeBigInt64BE(BigInt(serverId), 8);
  head.writeInt32BE(Buffer.byteLength(addresses), 16);
  return head.toString('hex') + Buffer.from(addresses).toString('hex');
}

/** A notification in its frame, as hex. */
export function frameHex(text: string): string {
  const length = Buffer.alloc(4);
  length.writeInt32BE(Buffer.byteLength(text));
  return length.toString('hex') + Buffer.from(text).toString('hex');
}
