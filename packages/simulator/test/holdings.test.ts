/** What a server holds on its disk, against a list of everything that was ever written; and records in zeros. */
import { JuteWriter, OpCode, TxnHeader } from '@treekeeper/protocol';
import type { DiskStep } from '@treekeeper/server/internal';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Holdings } from '../src/ensemble/judges/holdings.ts';
import { type LoggedTxn, LogTap } from '../src/history.ts';

const FILE = 1;
const ZXID_MAX = 12;

type Action =
  | { readonly kind: 'write'; readonly first: number; readonly count: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'recovered'; readonly zxid: number };

/** Everything is looked through each time. */
class SlowHoldings {
  #durable: number[] = [];
  #unsynced: number[] = [];
  #snapshotZxid = 0;

  act(action: Action, isDsync: boolean): void {
    if (action.kind === 'write') {
      const zxids = Array.from({ length: action.count }, (_, i) => action.first + i);
      this.#durable = this.#durable.filter((zxid) => zxid < action.first);
      (isDsync ? this.#durable : this.#unsynced).push(...zxids);
    } else if (action.kind === 'sync') {
      this.#durable.push(...this.#unsynced);
      this.#unsynced = [];
    } else {
      this.#durable = this.#durable.filter((zxid) => zxid <= action.zxid);
      this.#snapshotZxid = Math.max(this.#snapshotZxid, action.zxid);
      this.#unsynced = [];
    }
  }

  has(zxid: number): boolean {
    return zxid <= this.#snapshotZxid || this.#durable.includes(zxid);
  }
}

function act(holdings: Holdings, action: Action, isDsync: boolean): void {
  if (action.kind === 'recovered') {
    holdings.recovered(action.zxid);
    holdings.done({ op: 'create', area: 'log', name: 'log.1', file: FILE, dsync: isDsync });
  } else if (action.kind === 'sync') {
    holdings.done({ op: 'sync', file: FILE });
  } else {
    const step: DiskStep = { op: 'write', file: FILE, position: 16, bytes: new Uint8Array(1) };
    const zxids = Array.from({ length: action.count }, (_, i) => action.first + i);
    holdings.submitted(
      step,
      zxids.map((zxid) => ({ zxid }) as LoggedTxn),
    );
    holdings.done(step);
  }
}

describe('holdings', () => {
  test('are those of the list', () => {
    const zxid = fc.integer({ min: 1, max: ZXID_MAX });
    const action: fc.Arbitrary<Action> = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), first: zxid, count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant('sync' as const) }),
      fc.record({ kind: fc.constant('recovered' as const), zxid: fc.integer({ min: 0, max: 3 }) }),
    );
    const run = fc.property(fc.array(action, { maxLength: 30 }), fc.boolean(), (actions, isDsync) => {
      const holdings = new Holdings();
      const slow = new SlowHoldings();
      for (const each of [{ kind: 'recovered', zxid: 0 } as const, ...actions]) {
        act(holdings, each, isDsync);
        slow.act(each, isDsync);
        for (let asked = 1; asked <= ZXID_MAX + 4; asked++) {
          expect(holdings.has(asked), `zxid ${asked}`).toBe(slow.has(asked));
        }
      }
    });
    fc.assert(run, { numRuns: 300 });
  });
});

describe('records of a log', () => {
  const PREALLOCATED_BYTES = 100_000;

  /** A batch as the server writes it, with zeros behind it. */
  function batch(): Buffer {
    const payload = new JuteWriter();
    TxnHeader.encode(payload, { clientId: 5n, cxid: 7, zxid: 3n, time: 11n, type: OpCode.error });
    payload.int(-101);
    const body = payload.copy();
    const bytes = Buffer.alloc(PREALLOCATED_BYTES);
    bytes.writeInt32BE(body.length, 8);
    bytes.set(body, 12);
    bytes[12 + body.length] = 0x42;
    return bytes;
  }

  function tapped(bytes: Uint8Array): LoggedTxn[] {
    const tap = new LogTap();
    tap.submitted({ op: 'create', area: 'log', name: 'log.1', file: FILE, dsync: true }, 0);
    return tap.submitted({ op: 'write', file: FILE, position: 16, bytes }, 9);
  }

  test('are found before zeros, and stay as they were when the server writes over its buffer', () => {
    const bytes = batch();
    const [txn, ...others] = tapped(bytes);
    expect(others).toEqual([]);
    bytes.fill(0xff);
    expect(txn).toMatchObject({ zxid: 3, sessionId: 5n, cxid: 7, timeMs: 11, loggedMs: 9, digest: null });
    expect([...txn.body]).toEqual([0xff, 0xff, 0xff, 0x9b]);
    expect(txn.payload.includes(0x9b)).toBe(true);
  });

  test('a byte anywhere in the zeros is seen', () => {
    for (const place of [60, 16 * 1024, 16 * 1024 + 60, PREALLOCATED_BYTES - 1]) {
      const bytes = batch();
      bytes[place] = 1;
      expect(() => tapped(bytes), `at ${place}`).toThrow(/a log record has no/);
    }
  });
});
