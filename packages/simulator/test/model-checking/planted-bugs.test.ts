/** The explorer can fail: a bug in the protocol, and it finds a run that breaks a promise. */
import { afterEach, describe, expect, test } from 'vitest';
import { CommittedLog } from '../../../server/src/zab/committed-log.ts';
import { Discovery } from '../../../server/src/zab/discovery.ts';
import { Election } from '../../../server/src/zab/election.ts';
import { Following } from '../../../server/src/zab/following.ts';
import { Leadership } from '../../../server/src/zab/leadership.ts';
import { Learner } from '../../../server/src/zab/learner.ts';
import { MajorityQuorum } from '../../../server/src/zab/quorum.ts';
import { ModelDatabase } from '../../src/model-checking/disk.ts';
import { exploreElections } from '../../src/model-checking/elections.ts';
import { explore, type Scenario } from '../../src/model-checking/explore.ts';
import { Machine } from '../../src/model-checking/machine.ts';
import { QUICK, QUICK_ELECTIONS } from '../../src/model-checking/scenarios.ts';
import { replaced } from '../planting.ts';

interface PlantedBug {
  readonly what: string;
  /** The scenario. */
  readonly shownBy: string;
  readonly plant: () => () => void;
  /** Which promises may be broken first. */
  readonly promises: readonly string[];
}

const bugs: readonly PlantedBug[] = [
  {
    what: 'a minority commits',
    shownBy: 'a first epoch, things put off twice',
    plant: replaced(
      MajorityQuorum.prototype,
      'committedThrough',
      () => (ackedThrough) => Math.max(-1, ...ackedThrough.values()),
    ),
    promises: ['durability'],
  },
  {
    what: 'a minority makes a leader',
    shownBy: 'a first epoch, things put off twice',
    plant: replaced(MajorityQuorum.prototype, 'hasQuorum', () => (servers) => servers.size > 0),
    promises: ['durability', 'one leader'],
  },
  {
    what: 'a leader leads servers that are ahead of it',
    shownBy: 'unequal histories',
    plant: replaced(
      Discovery.prototype,
      'accepted',
      (original) =>
        function (this: Discovery, voterId, { currentEpoch }) {
          return original.call(this, voterId, { currentEpoch: Math.min(currentEpoch, 0), lastZxid: 0 });
        },
    ),
    promises: ['primary integrity', 'durability'],
  },
  {
    what: 'accepted epochs are forgotten',
    shownBy: 'a crash',
    plant: () => {
      const original = Object.getOwnPropertyDescriptor(ModelDatabase.prototype, 'acceptedEpoch') as PropertyDescriptor;
      Object.defineProperty(ModelDatabase.prototype, 'acceptedEpoch', { get: () => 0, configurable: true });
      return () => Object.defineProperty(ModelDatabase.prototype, 'acceptedEpoch', original);
    },
    promises: ['one leader', 'epochs'],
  },
  {
    what: 'a learner misses the last of its leader’s history',
    shownBy: 'a crash',
    plant: replaced(
      CommittedLog.prototype,
      'after',
      (original) =>
        function (this: CommittedLog, zxid) {
          return original.call(this, zxid).slice(0, -1);
        },
    ),
    promises: ['durability', 'total order'],
  },
  {
    what: 'what a learner has beyond its leader stays in its log',
    shownBy: 'a crash',
    plant: replaced(
      ModelDatabase.prototype,
      'truncate',
      (original) =>
        function (this: ModelDatabase) {
          original.call(this, this.lastZxid);
        },
    ),
    promises: ['total order', 'agreement', 'integrity'],
  },
  {
    what: 'an acknowledgement before the disk',
    shownBy: 'a first epoch, things put off twice',
    plant: replaced(
      Following.prototype,
      'propose',
      (original) =>
        function (this: Following, entry) {
          original.call(this, entry);
          this.logSynced(entry.zxid);
        },
    ),
    promises: ['durability'],
  },
  {
    what: 'the history of a learner is acknowledged before it is on disk',
    shownBy: 'a crash',
    plant: replaced(
      ModelDatabase.prototype,
      'writeSnapshot',
      (original) =>
        function (this: ModelDatabase) {
          const written = this.transactions;
          this.transactions = [];
          original.call(this);
          this.transactions = written;
        },
    ),
    promises: ['durability'],
  },
  {
    what: 'what is in the log and not known to be committed is left out of memory',
    shownBy: 'a crash',
    plant: replaced(ModelDatabase.prototype, 'replay', () => () => undefined),
    promises: ['durability', 'primary integrity', 'total order', 'assertion'],
  },
  {
    what: 'a snapshot that was cut off stays in memory',
    shownBy: 'unequal histories, by snapshot',
    plant: replaced(
      Machine.prototype,
      'cease',
      (original) =>
        function (this: Machine) {
          original.call(this, false);
        },
    ),
    promises: ['memory is what the log is'],
  },
  {
    what: 'a leader proposes before a quorum has its history',
    shownBy: 'a crash',
    plant: replaced(
      Leadership.prototype,
      'epochPersisted',
      (original) =>
        function (this: Leadership, name, nowMs) {
          const undo = replaced(MajorityQuorum.prototype, 'hasQuorum', () => () => true)();
          original.call(this, name, nowMs);
          undo();
        },
    ),
    promises: ['durability', 'one leader'],
  },
  {
    what: 'a learner follows a leader of an older epoch',
    shownBy: 'an epoch that came to nothing',
    plant: replaced(
      Learner.prototype,
      'receive',
      (original) =>
        function (this: Learner, bytes, nowMs) {
          const database = ModelDatabase.prototype;
          const accepted = Object.getOwnPropertyDescriptor(database, 'acceptedEpoch') as PropertyDescriptor;
          if (this.phase === 'introduced') {
            Object.defineProperty(database, 'acceptedEpoch', { get: () => 0, configurable: true });
          }
          original.call(this, bytes, nowMs);
          Object.defineProperty(database, 'acceptedEpoch', accepted);
        },
    ),
    promises: ['epochs'],
  },
];

describe('a bug in the protocol is found', () => {
  let undo: () => void = () => undefined;
  afterEach(() => undo());

  for (const { what, shownBy, plant, promises } of bugs) {
    test(what, { timeout: 300_000 }, () => {
      const scenario = QUICK.find(({ name }) => name === shownBy) as Scenario;
      undo = plant();
      const { finding } = explore(scenario, { statesMax: 200_000, seed: null });
      expect(promises).toContain(finding?.violation.invariant);
      expect(finding?.moves.length).toBeGreaterThan(0);
    });
  }
});

describe('a bug in elections is found', () => {
  let undo: () => void = () => undefined;
  afterEach(() => undo());

  const found = (): string | undefined => {
    const hasty = QUICK_ELECTIONS.map((scenario) => ({ ...scenario, hastes: 1 }));
    const results = hasty.map((scenario) => exploreElections(scenario, { statesMax: 20_000, seed: null }));
    return results.find(({ finding }) => finding !== null)?.finding?.violation.invariant;
  };

  test('a minority elects', () => {
    undo = replaced(MajorityQuorum.prototype, 'hasQuorum', () => (servers) => servers.size > 0)();
    expect(found()).toBe('a quorum');
  });

  test('votes say nothing of histories', () => {
    undo = replaced(
      Election.prototype,
      'start',
      (original) =>
        function (this: Election, nowMs, _history, committed, lastSeen) {
          original.call(this, nowMs, { lastZxid: 0, currentEpoch: 0 }, committed, lastSeen);
        },
    )();
    expect(found()).toBe('the best of them');
  });
});
