/** Sessions that end at the worst moment: what was asked is on its way, and nobody has answered it. */
import { type Client, type ConnectOptions, connect } from '@treekeeper/client';
import type { TestServer } from '@treekeeper/testing';
import { FaultProxy } from '../../interop/src/client/fault-proxy.ts';

const OPCODE_AT = 8;

/** A client behind a proxy that sees what it asks. */
export class WatchedClient implements AsyncDisposable {
  readonly client: Client;
  readonly #server: TestServer;
  readonly #proxy: FaultProxy;

  private constructor(client: Client, server: TestServer, proxy: FaultProxy) {
    this.client = client;
    this.#server = server;
    this.#proxy = proxy;
  }

  static async start(server: TestServer, options: ConnectOptions): Promise<WatchedClient> {
    const proxy = await FaultProxy.start(server.connectString);
    return new WatchedClient(await connect(proxy.address, { sessionTimeoutMs: 60_000, ...options }), server, proxy);
  }

  /** Loses the next request of a kind with its connection, and ends the session before there is another one. */
  async endDuring(opcode: number): Promise<void> {
    const proxy = this.#proxy;
    await new Promise<void>((asked) => {
      proxy.onChunk = (chunk, isRequest) => {
        if (!isRequest || !opcodesIn(chunk).includes(opcode)) {
          return null;
        }
        proxy.onChunk = () => null;
        proxy.refuse(true);
        asked();
        return 0;
      };
    });
    await this.#server.expireSession(this.client.sessionId);
    proxy.refuse(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function opcodesIn(chunk: Buffer): number[] {
  const opcodes: number[] = [];
  for (let at = 0; at + OPCODE_AT + 4 <= chunk.length; at += 4 + chunk.readInt32BE(at)) {
    opcodes.push(chunk.readInt32BE(at + OPCODE_AT));
  }
  return opcodes;
}
