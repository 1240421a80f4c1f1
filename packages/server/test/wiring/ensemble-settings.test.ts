/** Keys of zoo.cfg that a member goes by while it looks for its leader, from the file to what they do. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodePeers } from '../../src/host/node-peers.ts';
import { ensembleSeams } from '../../src/wiring/ensemble.ts';
import type { Environment } from '../../src/zab/environment.ts';
import type { Membership } from '../../src/zab/membership.ts';
import type { ZabOptions } from '../../src/zab/options.ts';
import { reachLeader } from '../../src/zab/reach-leader.ts';
import { ConfigDirectory, THREE_SERVERS } from '../config/support.ts';
import { TestEnsemble } from '../replica/ensemble.ts';
import { RecordingLog } from '../storage/support.ts';

const TICK_MS = 500;
let directory: ConfigDirectory;
beforeEach(() => {
  directory = new ConfigDirectory();
});
afterEach(() => directory.remove());

/** What the member's peer is told. */
function zabOf(lines: string): ZabOptions {
  const { config, ensemble } = directory.loadMember(`tickTime=${TICK_MS}\n${THREE_SERVERS}\n${lines}`);
  return ensembleSeams(config, ensemble, {} as NodePeers, new RecordingLog(), () => {}).zab;
}

test.each([
  ['', 10],
  ['connectToLearnerMasterLimit=3', 3],
])('"%s": a learner tries to reach its leader for %i ticks', (lines, ticks) => {
  const timeouts: number[] = [];
  const peers = {
    connect: (_: number, timeoutMs: number) => {
      timeouts.push(timeoutMs);
      return { write: () => {}, close: () => {} };
    },
  };
  const startMs = 1000;
  const environment = { peers } as unknown as Environment;
  const link = reachLeader(2, zabOf(lines), environment, {} as Membership, false, startMs);
  expect(timeouts).toEqual([ticks * TICK_MS]);
  expect(link.tick(startMs + ticks * TICK_MS - 1)).toBe(true);
  expect(link.tick(startMs + ticks * TICK_MS)).toBe(false);
});

/** Simulated ms from the loss of the leader until the observer serves again. */
function observerIsAwayMs(lines: string): number {
  const { observerElectionDelayMs } = zabOf(lines);
  const ensemble = new TestEnsemble(3, { observers: 1, zab: { observerElectionDelayMs } });
  const observer = ensemble.member(4);
  const lostAtMs = ensemble.clock.nowMs;
  ensemble.leader.kill();
  do {
    ensemble.advance(10);
  } while (!observer.running.serving);
  return ensemble.clock.nowMs - lostAtMs;
}

test('observer.election.DelayMs: an observer waits so long, at most, before it looks for the next leader', () => {
  const soonMs = observerIsAwayMs('observer.election.DelayMs=0');
  const lateMs = observerIsAwayMs('observer.election.DelayMs=60000');
  expect(lateMs).toBeGreaterThan(soonMs + 5000);
  expect(lateMs).toBeLessThanOrEqual(soonMs + 60_000);
});
