import { CONTAINER_OWNER } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { negotiateTimeout, SessionIds, SessionTable } from '../../src/sessions/session-table.ts';

const free = () => false;

describe('session ids (client-protocol.md §10)', () => {
  test('server id, 40 bits of the clock, a counter', () => {
    const ids = new SessionIds(1, 0x1b5d92);
    expect(ids.next(free)).toBe(0x0100001b5d920000n);
    expect(ids.next(free)).toBe(0x0100001b5d920001n);
  });

  test('only the low 40 bits of the clock count', () => {
    expect(new SessionIds(1, 0x300001b5d92).next(free)).toBe(new SessionIds(1, 0x1b5d92).next(free));
    expect(new SessionIds(5, 1790000000000.75).next(free)).toBe(0x05a0c4506c000000n);
  });

  test('trap 44: ids are exact and signed 64-bit, as they come off the wire', () => {
    expect(new SessionIds(200, 0xffffffffff).next(free)).toBe(BigInt.asIntN(64, 0xc8ffffffffff0000n));
  });

  test('neither 0 nor the mark of container nodes is ever an id', () => {
    const high = new SessionIds(128, 0);
    expect(high.next(free)).toBe(CONTAINER_OWNER + 1n);
    expect(high.next(free)).toBe(CONTAINER_OWNER + 2n);
    expect(new SessionIds(0, 0).next(free)).toBe(1n);
  });

  test('ids that are in use are passed over', () => {
    const taken = new Set([0x0100001b5d920000n, 0x0100001b5d920001n]);
    expect(new SessionIds(1, 0x1b5d92).next((id) => taken.has(id))).toBe(0x0100001b5d920002n);
  });
});

test.each([
  [10000, 10000],
  [1, 6000],
  [0, 6000],
  [-5, 6000],
  [60001, 60000],
  [6000, 6000],
])('a timeout of %i is negotiated to %i within 6000 to 60000', (requested, negotiated) => {
  expect(negotiateTimeout(requested, 6000, 60000)).toBe(negotiated);
});

describe('the table', () => {
  test('sessions are found by id until they are closed', () => {
    const table = new SessionTable();
    const session = table.open(0x0100001b5d920000n, 10000);
    expect(table.get(0x0100001b5d920000n)).toBe(session);
    expect(table.get(0x0100001b5d920001n)).toBeUndefined();
    expect(session).toMatchObject({ timeoutMs: 10000, local: false, closing: false, owner: null, expiresAtMs: 0 });
    expect(table.close(0x0100001b5d920000n)).toBe(session);
    expect(table.close(0x0100001b5d920000n)).toBeUndefined();
    expect(table.size).toBe(0);
  });

  test('opening a known session again keeps it and takes the timeout (a log replayed over a snapshot)', () => {
    const table = new SessionTable();
    const session = table.open(7n, 10000);
    expect(table.open(7n, 7000)).toBe(session);
    expect(session.timeoutMs).toBe(7000);
    expect(table.size).toBe(1);
  });

  test('a local session becomes global under the same id', () => {
    const table = new SessionTable();
    const session = table.openLocal(7n, 10000);
    table.open(8n, 6000);
    expect([table.size, table.localCount]).toEqual([2, 1]);
    expect(table.globalTimeouts()).toEqual(new Map([[8n, 6000]]));
    expect(table.open(7n, 10000)).toBe(session);
    expect(session.local).toBe(false);
    expect([table.size, table.localCount]).toEqual([2, 0]);
    expect(table.globalTimeouts().size).toBe(2);
  });

  test('counts follow closing and clearing', () => {
    const table = new SessionTable();
    table.openLocal(1n, 1);
    table.openLocal(2n, 1);
    table.open(3n, 1);
    table.close(1n);
    expect([table.size, table.localCount]).toEqual([2, 1]);
    expect([...table.values()].map((session) => session.id)).toEqual([2n, 3n]);
    table.clear();
    expect([table.size, table.localCount]).toEqual([0, 0]);
  });
});
