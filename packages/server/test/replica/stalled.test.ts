/**
 * Clients that have stopped reading, and whose sockets therefore do not close when they are told to: the host reports
 * them gone later. Until then nothing is kept for them, and nothing is written.
 */
import { describe, expect, test } from 'vitest';
import { addWatch, create, exists, getData, setData } from './requests.ts';
import { type TestClient, TestServer } from './support.ts';

const SESSION_MS = 4000;
const PERSISTENT = 0;

/** A client that watches /a and has stopped reading; its socket says of itself that it is there until `end`. */
class Stalled {
  readonly server: TestServer;
  readonly client: TestClient;
  readonly writer: TestClient;
  /** What the replica has done to the connection. */
  readonly calls: string[] = [];

  constructor() {
    this.server = new TestServer({ replica: { unsentBytesPause: 1000, unsentBytesMax: 10_000 } });
    this.writer = this.server.client({ timeoutMs: 40_000 });
    this.writer.get(create('/a', { data: Buffer.alloc(500) }));
    this.client = this.server.client({ timeoutMs: SESSION_MS });
    this.client.get(addWatch('/a', PERSISTENT));
    const { connection } = this.client.wire;
    connection.blocked = true;
    this.client.send(getData('/a'));
    this.server.settle();
    expect(connection.unsentBytes).toBeGreaterThan(0);
    const write = connection.write.bind(connection);
    connection.write = (bytes) => {
      this.calls.push('write');
      return write(bytes);
    };
    connection.close = () => void this.calls.push('close');
    connection.cut = () => void this.calls.push('cut');
  }

  /** Events for it. */
  change(count: number): void {
    for (let i = 0; i < count; i++) {
      this.writer.get(setData('/a', `${i}`));
    }
  }

  get isKnown(): boolean {
    return this.server.replica.connections.has(this.client.wire.connection);
  }

  get watches(): number {
    return this.server.replica.world.watches.watchCount;
  }

  expectForgotten(how: 'close' | 'cut'): void {
    expect(this.isKnown).toBe(false);
    expect(this.watches).toBe(0);
    expect(this.calls.at(-1)).toBe(how);
    const { length } = this.calls;
    this.change(100);
    expect(this.calls.length).toBe(length);
    this.server.push({ kind: 'client-gone', connection: this.client.wire.connection }); // at last
    this.server.settle();
    this.change(1);
    expect(this.calls.length).toBe(length);
  }
}

describe('a client that does not read is forgotten', () => {
  test('when its session expires', () => {
    const stalled = new Stalled();
    stalled.change(3);
    expect(stalled.calls).toEqual(['write', 'write', 'write']);
    stalled.server.advance(2 * SESSION_MS);
    expect(stalled.server.replica.world.sessions.get(stalled.client.sessionId)).toBeUndefined();
    stalled.expectForgotten('close');
  });

  test('when its session goes on over another connection', () => {
    const stalled = new Stalled();
    const again = stalled.client.resume();
    expect(again.sessionId).toBe(stalled.client.sessionId);
    stalled.expectForgotten('close');
    expect(again.err(exists('/a'))).toBe(0);
    stalled.server.advance(SESSION_MS / 2);
    expect(again.err(exists('/a'))).toBe(0); // the end of the first one has not taken the session from it
    expect(stalled.server.replica.world.sessions.get(again.sessionId)?.owner).not.toBeNull();
  });

  test('when too much waits for it: that is not sent, and the session lives on', () => {
    const stalled = new Stalled();
    const { connection } = stalled.client.wire;
    connection.unsentBytes = 2000; // its requests are not read from here on
    stalled.change(1);
    expect(stalled.isKnown).toBe(true);
    connection.unsentBytes = 2000 + 11_000;
    stalled.change(1);
    expect(stalled.server.warnings.join()).toContain('does not read');
    expect(stalled.client.resume().sessionId).toBe(stalled.client.sessionId);
    stalled.expectForgotten('cut');
    expect(stalled.server.warnings).toHaveLength(1);
  });

  test('with requests on their way: those are done, and nobody waits for their answers', () => {
    const stalled = new Stalled();
    stalled.client.send(setData('/a', 'from the stalled one'));
    stalled.client.send(getData('/a'));
    stalled.server.turn();
    expect(stalled.server.replica.outstandingRequests).toBe(2);
    stalled.client.resume();
    expect(stalled.server.replica.outstandingRequests).toBe(0);
    expect(Buffer.from(stalled.writer.get(getData('/a')).data ?? []).toString()).toBe('from the stalled one');
    stalled.expectForgotten('close');
  });
});
