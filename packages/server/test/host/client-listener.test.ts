/** How client connections end, over real sockets: also where the client takes nothing any more. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LINGER_MS, SocketConnection } from '../../src/host/client-listener.ts';
import type { Input } from '../../src/io/input.ts';

/** More than the system takes for a client that does not read. */
const LARGE_BYTES = 32 << 20;

let server: Server;
/** Of the client; nothing is read from it yet. */
let client: Socket;
/** The server's end of it. */
let socket: Socket;
let connection: SocketConnection;
let inputs: Input[];
let gone: Promise<void>;

beforeEach(async () => {
  await open(false);
});

afterEach(() => {
  vi.useRealTimers();
  end();
});

function end(): void {
  client.destroy();
  socket.destroy();
  server.close();
}

async function reopen(secure: boolean): Promise<void> {
  end();
  await open(secure);
}

async function open(secure: boolean): Promise<void> {
  const told: Input[] = [];
  inputs = told;
  server = createServer({ noDelay: true });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const accepted = new Promise<Socket>((resolve) => {
    server.once('connection', resolve);
  });
  client = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1' });
  client.on('error', () => {});
  socket = await accepted;
  gone = new Promise((resolve) => {
    const push = (input: Input): void => {
      told.push(input);
      if (input.kind === 'client-gone') {
        resolve();
      }
    };
    connection = new SocketConnection(socket, push, secure, null);
  });
}

function kinds(): string[] {
  return inputs.map(({ kind }) => kind);
}

/** Everything that still comes, to the end. */
async function readAll(): Promise<number> {
  let bytes = 0;
  for await (const chunk of client) {
    bytes += (chunk as Buffer).length;
  }
  return bytes;
}

describe('close', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });

  test('sends what was written first', async () => {
    expect(connection.write(Buffer.alloc(LARGE_BYTES))).toBe(false);
    connection.close();
    expect(await readAll()).toBe(LARGE_BYTES);
    await gone;
    expect(kinds().filter((kind) => kind === 'client-gone')).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('waits for a client that does not read, for a while only', async () => {
    connection.write(Buffer.alloc(LARGE_BYTES));
    connection.close();
    vi.advanceTimersByTime(LINGER_MS - 1);
    expect(socket.destroyed).toBe(false);
    expect(connection.unsentBytes).toBeGreaterThan(0);
    vi.advanceTimersByTime(1);
    await gone;
    expect(socket.destroyed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does nothing when called again, and puts the end off no further', async () => {
    connection.write(Buffer.alloc(LARGE_BYTES));
    connection.close();
    const listeners = socket.listenerCount('finish');
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(LINGER_MS / 100);
      connection.write(Buffer.from('an event'));
      connection.close();
    }
    expect(socket.listenerCount('finish')).toBeLessThanOrEqual(listeners);
    await gone;
  });

  test('with nothing left to send it is over at once', async () => {
    connection.close();
    expect(socket.destroyed).toBe(true);
    await gone;
    expect(vi.getTimerCount()).toBe(0);
    expect(await readAll()).toBe(0);
  });

  test('a secure connection is shut down first', async () => {
    await reopen(true);
    connection.close();
    expect(socket.destroyed).toBe(false);
    expect(await readAll()).toBe(0);
    await gone;
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is left to do where the client of a secure connection has gone before', async () => {
    await reopen(true);
    client.resetAndDestroy();
    await gone;
    connection.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(kinds().filter((kind) => kind === 'client-gone')).toHaveLength(1);
  });

  test('what the client sends meanwhile is read, and told to nobody', async () => {
    connection.write(Buffer.alloc(LARGE_BYTES));
    connection.close();
    const read = new Promise((resolve) => {
      socket.once('data', resolve);
    });
    client.write('a request');
    await read;
    expect(kinds()).toEqual(['client-open']);
  });
});

test('cut sends nothing of what waits, also when the connection was being closed', async () => {
  connection.write(Buffer.alloc(LARGE_BYTES));
  connection.close();
  connection.cut();
  expect(socket.destroyed).toBe(true);
  await gone;
  expect(await readAll().catch(() => 0)).toBeLessThan(LARGE_BYTES);
});
