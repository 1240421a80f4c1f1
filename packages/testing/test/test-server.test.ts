import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@treekeeper/client';
import { CreateMode } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { fourLetterWord, RawConnection } from '../../interop/src/raw-client.ts';
import { Session } from '../../interop/src/session.ts';
import { startServer } from '../src/index.ts';

const TIMEOUT_MS = 30_000;

describe('a server', () => {
  test('serves on a port and with data of its own, and leaves nothing behind', async () => {
    let directory: string;
    let port: number;
    {
      await using one = await startServer();
      await using other = await startServer();
      expect(one.port).not.toBe(other.port);
      expect(one.connectString).toBe(`127.0.0.1:${one.port}`);
      const session = await Session.open(one.port);
      await session.create('/here', Buffer.from('x'));
      expect(one.summary.nodeCount).toBe(other.summary.nodeCount + 1);
      ({ dataDirectory: directory, port } = one);
      expect(statSync(directory).isDirectory()).toBe(true);
    }
    expect(existsSync(directory)).toBe(false);
    await expect(RawConnection.open(port)).rejects.toThrow('ECONNREFUSED');
  });

  test('takes settings as zoo.cfg has them, and refuses wrong ones', async () => {
    await using server = await startServer({ settings: { maxClientCnxns: 7 } });
    expect(await fourLetterWord(server.port, 'conf')).toContain('maxClientCnxns=7\n');
    await expect(startServer({ settings: { tickTime: 'soon' } })).rejects.toThrow('tickTime');
    const warnings: string[] = [];
    const log = { info: () => {}, warn: (text: string) => warnings.push(text), error: () => {} };
    await using other = await startServer({ settings: { tickTyme: 5 }, log });
    expect(other.running && warnings.join('\n')).toContain('tickTyme');
  });

  test('keeps data in a directory that it is given', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'treekeeper-kept-'));
    {
      await using server = await startServer({ dataDirectory });
      await (await Session.open(server.port)).create('/kept');
    }
    {
      await using server = await startServer({ dataDirectory });
      expect(await (await Session.open(server.port)).exists('/kept')).not.toBeNull();
    }
    rmSync(dataDirectory, { recursive: true });
  });
});

describe('kill and restart', () => {
  test('a killed server cuts its connections, and comes back on its port with its data', async () => {
    await using server = await startServer();
    const { port } = server;
    const session = await Session.open(port, { timeoutMs: TIMEOUT_MS });
    await session.create('/kept', Buffer.from('x'));
    await session.create('/mine', null, CreateMode.ephemeral);
    await server.kill();
    expect(server.running).toBe(false);
    await session.connection.waitForClose();
    await expect(RawConnection.open(port)).rejects.toThrow('ECONNREFUSED');
    expect(() => server.pause()).toThrow('restart()');
    await server.restart();
    expect(server.port).toBe(port);
    const resumed = await Session.open(port, { sessionId: session.id, password: session.password });
    expect(resumed.id).toBe(session.id);
    expect(await resumed.exists('/kept')).not.toBeNull();
    expect((await resumed.exists('/mine'))?.ephemeralOwner).toBe(session.id);
  });

  test('a server killed among writes has those that it had answered', async () => {
    await using server = await startServer();
    const session = await Session.open(server.port);
    const answered: string[] = [];
    const writes = Array.from({ length: 500 }, (_, i) => session.create(`/n${i}`).then((path) => answered.push(path)));
    await writes[50];
    await server.kill();
    await Promise.allSettled(writes);
    expect(answered.length).toBeGreaterThan(50);
    await server.restart();
    const { children } = await (await Session.open(server.port)).getChildren('/');
    expect(answered.filter((path) => !children.includes(path.slice(1)))).toEqual([]);
  });

  test('what a paused server has not taken in dies with it', async () => {
    await using server = await startServer();
    const session = await Session.open(server.port);
    server.pause();
    const lost = expect(session.create('/asked')).rejects.toThrow('connection closed');
    await arrived(server.port);
    await server.kill();
    await lost;
    await server.restart();
    expect(await (await Session.open(server.port)).exists('/asked')).toBeNull();
  });

  test('restart of a running server stops it first; a second kill changes nothing', async () => {
    await using server = await startServer();
    await (await Session.open(server.port)).create('/kept');
    await server.restart();
    await server.kill();
    await server.kill();
    await server.restart();
    expect(await (await Session.open(server.port)).exists('/kept')).not.toBeNull();
  });

  test('a port that somebody else has taken meanwhile is named', async () => {
    await using server = await startServer();
    await server.kill();
    const thief = createServer();
    await new Promise<void>((resolve) => thief.listen(server.port, '127.0.0.1', resolve));
    await expect(server.restart()).rejects.toThrow(`EADDRINUSE: address already in use 127.0.0.1:${server.port}`);
    await new Promise((resolve) => thief.close(resolve));
    await server.restart();
    expect(server.running).toBe(true);
  });
});

describe('sessions', () => {
  test('an expired session loses its nodes and cannot be resumed', async () => {
    await using server = await startServer();
    const session = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    const other = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    await session.create('/mine', null, CreateMode.ephemeral);
    await other.exists('/mine', true);
    expect(await server.expireSession(session.id)).toBe(true);
    expect(await other.exists('/mine')).toBeNull();
    expect(other.events.map(({ path }) => path)).toEqual(['/mine']);
    await session.connection.waitForClose();
    const { id: sessionId, password } = session;
    await expect(Session.open(server.port, { sessionId, password })).rejects.toThrow('the session is gone');
    expect(await server.expireSession(session.id)).toBe(false);
    expect(other.lost).toBe(false);
  });

  test('cutting a connection leaves its session and the other connections', async () => {
    await using server = await startServer();
    const session = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    const other = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    expect(server.cutConnections(session.id)).toBe(1);
    await session.connection.waitForClose();
    await other.ping();
    const { id: sessionId, password } = session;
    const resumed = await Session.open(server.port, { sessionId, password });
    expect(resumed.id).toBe(sessionId);
    expect(server.cutConnections()).toBe(2);
    await resumed.connection.waitForClose();
    await other.connection.waitForClose();
    expect(server.summary.sessionCount).toBe(2);
  });
});

describe('time', () => {
  test('with the clock held nothing expires by itself; moved by hand, what is due does', async () => {
    await using server = await startServer();
    server.holdClock();
    const session = await Session.open(server.port, { timeoutMs: 1000 });
    await server.advance(900);
    await session.ping(); // heard of at 900
    await server.advance(900);
    expect(server.summary.sessionCount).toBe(1);
    await server.advance(300);
    expect(server.summary.sessionCount).toBe(0);
    await session.connection.waitForClose();
    await expect(server.advance(-1)).rejects.toThrow(RangeError);
  });

  test('TTL nodes go by the clock of the server', async () => {
    await using server = await startServer();
    server.holdClock();
    const session = await Session.open(server.port, { timeoutMs: 3_600_000 });
    await session.create('/brief', null, CreateMode.persistentWithTtl, undefined, 5000n);
    await server.advance(60_000);
    expect(await session.exists('/brief')).toBeNull();
  });

  test('a released clock goes on from where it stood', async () => {
    await using server = await startServer();
    server.holdClock();
    const session = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    await session.create('/before');
    await server.advance(20_000);
    server.releaseClock();
    await session.create('/after');
    const [before, after] = [await session.exists('/before'), await session.exists('/after')];
    const passedMs = Number((after?.ctime ?? 0n) - (before?.ctime ?? 0n));
    expect(passedMs).toBeGreaterThanOrEqual(20_000);
    expect(passedMs).toBeLessThan(TIMEOUT_MS);
    expect(session.lost).toBe(false);
  });

  test('with the clock held, sessions of a restarted server have new ids', async () => {
    await using server = await startServer();
    server.holdClock();
    const before = await Session.open(server.port);
    await before.close();
    await server.restart();
    const after = await Session.open(server.port);
    expect(after.id).not.toBe(before.id);
  });

  test('a paused server answers nothing until it is resumed', async () => {
    await using server = await startServer();
    const session = await Session.open(server.port, { timeoutMs: TIMEOUT_MS });
    server.pause();
    let answered = false;
    const answer = session.create('/a').then(() => {
      answered = true;
    });
    const opening = Session.open(server.port); // the connection is taken, the session waits
    await arrived(server.port);
    expect(answered).toBe(false);
    await expect(server.expireSession(session.id)).rejects.toThrow('resume()');
    server.resume();
    await answer;
    expect(await (await opening).exists('/a')).not.toBeNull();
  });
});

/** What was sent before has reached the server's process: a connection opened later has been accepted and cut off. */
async function arrived(port: number): Promise<void> {
  for (let round = 0; round < 3; round++) {
    (await RawConnection.open(port)).destroy();
  }
}

describe('clients', () => {
  test('a client lives through a restart, hears of its expiry, and is closed with the server', async () => {
    let client: Client;
    {
      await using server = await startServer();
      client = await server.client();
      await client.create('/a', 'x');
      await server.kill();
      await server.restart();
      expect(Buffer.from((await client.get('/a')).value).toString()).toBe('x');
      const other = await server.client();
      await server.expireSession(other.sessionId);
      await expect(other.get('/a', { timeoutMs: TIMEOUT_MS })).rejects.toMatchObject({ code: 'SESSION_EXPIRED' });
      expect(client.state).toBe('connected');
    }
    expect(client.state).toBe('closed');
  });

  test('a server that is down or paused at the end holds up nobody', async () => {
    for (const fault of ['kill', 'pause'] as const) {
      await using server = await startServer();
      await server.client();
      await server[fault]();
    }
  });
});
