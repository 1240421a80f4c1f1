/** Sending to many sockets with a second thread: each gets its bytes, all of them, once, in order. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Rest, TwoThreadSender } from '../../src/host/burst-sender.ts';
import { SocketConnection } from '../../src/host/client-listener.ts';
import type { Connection } from '../../src/io/connection.ts';

const LOG = { info: () => {}, warn: () => {}, error: () => {} };
/** The second thread helps however slow the machine is. */
const NO_REST = { waited: () => {}, isOver: () => true };

/** A connection of a server, and the client at its other end. */
interface Pair {
  readonly connection: SocketConnection;
  readonly client: Socket;
}

const sockets: Socket[] = [];
const servers: Server[] = [];
const senders: TwoThreadSender[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) {
    socket.destroy();
  }
  for (const server of servers.splice(0)) {
    server.close();
  }
  for (const sender of senders.splice(0)) {
    sender.close();
  }
});

function newSender(): TwoThreadSender {
  const sender = new TwoThreadSender(LOG, NO_REST);
  senders.push(sender);
  return sender;
}

async function pairs(count: number): Promise<Pair[]> {
  const server = createServer().listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const made: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    sockets.push(client, socket);
    made.push({ connection: new SocketConnection(socket, () => {}, false, null), client });
  }
  return made;
}

/** All that comes, until it is as much as was sent. */
async function received(client: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  while (total < length) {
    const chunk = client.read() as Buffer | null;
    if (chunk === null) {
      await once(client, 'readable');
    } else {
      chunks.push(chunk);
      total += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

/** As `Outputs` does it. */
function sendAll(sender: TwoThreadSender, outgoing: { connection: Connection; bytes: Buffer }[]): Int32Array {
  const sent = sender.send(outgoing);
  for (const [i, { connection, bytes }] of outgoing.entries()) {
    if (sent[i] !== bytes.length) {
      connection.write(bytes.subarray(sent[i]));
    }
  }
  return sent;
}

describe('a burst', () => {
  test('reaches everyone in order, round after round, until the second thread has sent some of it, too', async () => {
    const sender = newSender();
    const members = await pairs(100);
    const expected = members.map(() => [] as Buffer[]);
    for (let round = 0; round < 20 || sender.sentBySecondThread === 0; round++) {
      const outgoing = members.map(({ connection }, i) => {
        const bytes = Buffer.alloc(1 + ((i * 7 + round) % 90), `${round}.${i} `);
        expected[i]?.push(bytes);
        return { connection, bytes };
      });
      sendAll(sender, outgoing);
      await new Promise(setImmediate); // Node tells of a thread that could not start
    }
    for (const [i, { client }] of members.entries()) {
      const bytes = Buffer.concat(expected[i] ?? []);
      expect((await received(client, bytes.length)).equals(bytes)).toBe(true);
    }
  });

  test('may be larger than what the threads share', async () => {
    const members = await pairs(70);
    const outgoing = members.map(({ connection }, i) => ({ connection, bytes: Buffer.alloc(50_000 + i, i) }));
    const sent = newSender().send(outgoing);
    expect([...sent]).toEqual(outgoing.map(({ bytes }) => bytes.length));
    for (const [i, { client }] of members.entries()) {
      const bytes = outgoing[i]?.bytes as Buffer;
      expect((await received(client, bytes.length)).equals(bytes)).toBe(true);
    }
  });

  test('leaves what a full socket does not take, and nothing goes past what waits there', async () => {
    const sender = newSender();
    const [{ connection, client }] = (await pairs(1)) as [Pair];
    const first = Buffer.alloc(900_000, 'first');
    const all: Buffer[] = [];
    let sent = first.length;
    while (sent === first.length) {
      [sent] = sendAll(sender, [{ connection, bytes: first }]) as unknown as [number];
      all.push(first);
    }
    expect(connection.unsentBytes).toBe(first.length - sent);
    const last = Buffer.from('last');
    expect([...sendAll(sender, [{ connection, bytes: last }])]).toEqual([0]);
    all.push(last);
    const expected = Buffer.concat(all);
    expect((await received(client, expected.length)).equals(expected)).toBe(true);
  });

  test('leaves alone what is empty, too large, encrypted or closed', async () => {
    const members = await pairs(4);
    const [empty, large, encrypted, closed] = members.map(({ connection }) => connection) as SocketConnection[];
    closed?.close();
    Object.defineProperty(encrypted, 'secure', { value: true });
    const outgoing = [
      { connection: empty as Connection, bytes: Buffer.alloc(0) },
      { connection: large as Connection, bytes: Buffer.alloc((1 << 20) + 1) },
      { connection: encrypted as Connection, bytes: Buffer.from('plain') },
      { connection: closed as Connection, bytes: Buffer.from('late') },
    ];
    expect([...newSender().send(outgoing)]).toEqual([0, 0, 0, 0]);
  });

  test('to someone who has gone leaves the error to the socket', async () => {
    const sender = newSender();
    const [{ connection, client }] = (await pairs(1)) as [Pair];
    client.resetAndDestroy();
    const gone = new Promise((resolve) => sockets[1]?.once('close', resolve));
    const outgoing = [{ connection, bytes: Buffer.from('x') }];
    const sent = sendAll(sender, outgoing);
    await gone;
    expect(sent[0]).toBeLessThanOrEqual(1);
    expect([...sender.send(outgoing)]).toEqual([0]);
  });

  test('is nothing once the sender is closed', async () => {
    const sender = newSender();
    const [{ connection }] = (await pairs(1)) as [Pair];
    const outgoing = [{ connection, bytes: Buffer.from('x') }];
    expect([...sender.send(outgoing)]).toEqual([1]);
    sender.close();
    expect([...sender.send(outgoing)]).toEqual([0]);
  });
});

describe('the second thread is left alone', () => {
  test('for a while once it had to be waited for, and for longer each time', () => {
    const rest = new Rest();
    expect(rest.isOver(0)).toBe(true);
    const rests: number[] = [];
    let nowMs = 0;
    for (let i = 0; i < 9; i++) {
      rest.waited(0.2, nowMs);
      expect(rest.isOver(nowMs)).toBe(true);
      rest.waited(0.6, nowMs);
      const sinceMs = nowMs;
      while (!rest.isOver(nowMs)) {
        nowMs += 500;
      }
      rests.push((nowMs - sinceMs) / 1000);
    }
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64]);
  });

  test('for a short while again after many bursts in which it was in time', () => {
    const rest = new Rest();
    for (let i = 0; i < 5; i++) {
      rest.waited(3, 0);
    }
    for (let i = 0; i < 1000; i++) {
      rest.waited(0.1, 0);
    }
    rest.waited(3, 0);
    expect(rest.isOver(999)).toBe(false);
    expect(rest.isOver(1000)).toBe(true);
  });
});
