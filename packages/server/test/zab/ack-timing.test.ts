/** A leader times the acknowledgements of its followers (quorum-protocol.md §5.10), and only those that are due. */
import { expect, test } from 'vitest';
import { Cluster } from './cluster/cluster.ts';

test('whoever has acknowledged everything is not late, whenever a PING came in between', () => {
  const cluster = new Cluster(1, { voters: 2 });
  cluster.start(1, 2);
  const leader = cluster.untilWhole();
  const epoch = leader.database.currentEpoch;
  for (let i = 0; i < 60; i++) {
    leader.write(`write ${i}`);
    cluster.run(601); // longer than syncLimit, and a millisecond later between two PINGs each time
    expect(cluster.isWhole).toBe(true);
  }
  expect(leader.database.currentEpoch).toBe(epoch);
  expect(leader.peer.state).toBe('leading');
});
