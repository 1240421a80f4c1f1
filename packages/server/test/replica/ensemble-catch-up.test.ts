/** A member that is given a snapshot while others go on writing, more than may wait for the network. */
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import type { ZabOptions } from '../../src/zab/options.ts';
import { expectSameTrees, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, setData } from './requests.ts';
import type { TestClient } from './support.ts';

const NODES = 100;
const NODE_BYTES = 10_000;
const WRITE_BYTES = 5000;
const ROUNDS_MAX = 2000;
/** The snapshot takes at least a hundred turns, and a few turns of writes are more than may wait for the network. */
const LIMITS = {
  snapshotSizeFactor: -1,
  committedLogEntriesMax: 10,
  transferBytesPerTurn: 10_000,
  linkUnsentBytesMax: 50_000,
};

const says = (leader: TestMember, text: string): boolean => leader.messages.some((message) => message.includes(text));

/** A member whose disk is empty begins, while others write so much in each turn. */
class CatchUp {
  readonly ensemble: TestEnsemble;
  readonly learner: TestMember;
  writes = 0;
  readonly #client: TestClient<TestMember>;
  readonly #writesPerTurn: number;

  constructor(writesPerTurn: number, zab: Partial<ZabOptions>) {
    const storage = { ...simulatedOptions.storage, snapshotSliceBytes: 1000 };
    this.ensemble = new TestEnsemble(3, { zab, replica: { storage } });
    this.#writesPerTurn = writesPerTurn;
    this.learner = this.ensemble.learners[0];
    this.#client = this.ensemble.leader.client(40_000);
    for (let i = 0; i < NODES; i++) {
      this.#client.get(create(`/${i}`, { data: new Uint8Array(NODE_BYTES) }));
    }
    this.learner.wipe();
    this.ensemble.advance(100);
    this.learner.start();
  }

  writeUntil(isDone: () => boolean): void {
    for (let round = 0; !isDone(); round++) {
      for (let i = 0; i < this.#writesPerTurn; i++) {
        this.#client.send(setData(`/${this.writes++ % NODES}`, new Uint8Array(WRITE_BYTES)));
      }
      this.ensemble.round();
      if (round > ROUNDS_MAX) {
        throw new Error(`it takes too long: ${this.ensemble.leader.messages.slice(-3).join(' | ')}`);
      }
    }
  }

  /** Transactions that it lacks. */
  get lag(): number {
    return this.ensemble.leader.running.world.tree.lastZxid - this.learner.running.world.tree.lastZxid;
  }
}

describe('a snapshot, and many writes', () => {
  // In the last case much more is written than the transfer takes at its own pace.
  test.each([1, 16])('%d in a turn: they come behind it, and the learner is not cut off', (writesPerTurn) => {
    const catchUp = new CatchUp(writesPerTurn, LIMITS);
    const { ensemble, learner } = catchUp;
    catchUp.writeUntil(() => learner.running.serving);
    expect(catchUp.writes * WRITE_BYTES).toBeGreaterThan(2 * LIMITS.linkUnsentBytesMax);
    catchUp.writeUntil(() => catchUp.lag < 5 * writesPerTurn);
    expect(says(ensemble.leader, 'link closed')).toBe(false);
    expectSameTrees(ensemble);
  });

  test('more of them than a leader keeps for one learner: it has to begin anew', () => {
    const catchUp = new CatchUp(4, { ...LIMITS, learnerBacklogBytesMax: 100_000 });
    const { leader } = catchUp.ensemble;
    catchUp.writeUntil(() => says(leader, 'does not catch up, '));
    expect(catchUp.learner.running.serving).toBe(false);
    catchUp.ensemble.untilServing();
    expectSameTrees(catchUp.ensemble);
  });
});
