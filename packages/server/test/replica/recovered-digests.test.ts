/** Which recorded digests recovery compares with the tree that it has (disk-format.md §4). */
import { JuteReader, JuteWriter, OpCode, SetDataTxn } from '@treekeeper/protocol';
import { beforeEach, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import type { AccessControl } from '../../src/operations/operation.ts';
import { WorldSink } from '../../src/replica/recover-world.ts';

const WRONG = 1n;

let sink: WorldSink;
let errors: string[];

beforeEach(() => {
  errors = [];
  const log = { info() {}, warn() {}, error: (message: string) => errors.push(message) };
  sink = new WorldSink(simulatedOptions, {} as AccessControl, log, () => 0);
});

/** The tree's digest after the root got this version, in a world of its own. */
function digestAfter(version: number): bigint {
  const world = new WorldSink(simulatedOptions, {} as AccessControl, { info() {}, warn() {}, error() {} }, () => 0);
  setRoot(world, version, null);
  return world.world.tree.digest;
}

/** The transaction whose zxid is the root's new version. */
function setRoot(target: WorldSink, version: number, digest: bigint | null): void {
  const writer = new JuteWriter();
  SetDataTxn.encode(writer, { path: '/', data: null, version });
  const header = { clientId: 1n, cxid: 1, zxid: version, timeMs: 5, type: OpCode.setData };
  target.txn(header, new JuteReader(writer.copy()), digest);
}

test('a record that agrees is no mismatch; one that does not is told once', () => {
  sink.snapshotLoaded(0, null);
  setRoot(sink, 1, digestAfter(1));
  expect(sink.digestMismatches).toBe(0);
  setRoot(sink, 2, WRONG);
  setRoot(sink, 3, WRONG);
  expect(sink.digestMismatches).toBe(2);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain('after zxid 0x2');
});

test("records before the zxid of the snapshot's digest are not compared: the tree was read while it changed", () => {
  sink.snapshotLoaded(0, { zxid: 2, digest: digestAfter(2) });
  setRoot(sink, 1, WRONG);
  expect(sink.digestMismatches).toBe(0);
});

test("the record at the zxid of the snapshot's digest is compared, too", () => {
  sink.snapshotLoaded(0, { zxid: 2, digest: digestAfter(2) });
  setRoot(sink, 2, WRONG);
  expect(sink.digestMismatches).toBe(1);
});

test('a snapshot that is ahead of its zxid makes no record comparable', () => {
  sink.snapshotLoaded(0, { zxid: 2, digest: null });
  setRoot(sink, 2, WRONG);
  setRoot(sink, 3, WRONG);
  expect(sink.digestMismatches).toBe(0);
});
