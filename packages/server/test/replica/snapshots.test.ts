/** When snapshots are written. */
import { expect, test } from 'vitest';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { createMetrics } from '../../src/metrics/registry.ts';
import { Snapshots } from '../../src/replica/snapshots.ts';
import { testOptions } from '../storage/support.ts';
import { TestServer } from './support.ts';

test('none is begun of a tree that is about to be loaded from the disk again', () => {
  const { world } = new TestServer().replica;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const { snapshottime } = createMetrics();
  const clock = { nowMs: 0, wallMs: 0 };
  const snapshots = new Snapshots(world, new SimulatedDisk(), testOptions(), log, false, clock, snapshottime);
  snapshots.hold();
  snapshots.start();
  expect(snapshots.writing).toBe(false);
  snapshots.goOn();
  snapshots.start();
  expect(snapshots.writing).toBe(true);
  snapshots.hold();
  expect(snapshots.settling).toBe(true);
  const other = new TestServer().replica.world;
  snapshots.replaceWorld(other, false);
  expect(snapshots.settling).toBe(true); // the disk has a slice of it still
});
