import { describe, expect, test } from 'vitest';
import { Cluster } from './cluster/cluster.ts';

describe('an ensemble of three', () => {
  test('starts, writes, loses its leader, and goes on', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    for (let i = 0; i < 10; i++) {
      cluster.server((i % 3) + 1).write(`write ${i}`);
    }
    cluster.until('all is written', () => cluster.up.every(({ database }) => database.history().length === 10));
    cluster.crash(leader.serverId);
    const next = cluster.untilWhole();
    expect(next.serverId).not.toBe(leader.serverId);
    next.write('after');
    cluster.start(leader.serverId);
    cluster.untilWhole();
    cluster.until('all is written', () => cluster.up.every(({ database }) => database.history().length === 11));
  });

  test('is watched: a cut that leaves what was delivered without a quorum is seen (quorum-protocol.md §14, 17)', () => {
    const cluster = new Cluster(1, { voters: 3 });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    leader.write('one');
    cluster.until('all is written', () => cluster.up.every(({ database }) => database.history().length === 1));
    cluster.run(100); // and on disk
    const { zxid } = leader.disk.log[0];
    cluster.cut(cluster.server(1), [zxid]); // two others have it
    cluster.server(2).disk.log = [];
    expect(() => cluster.cut(cluster.server(1), [zxid])).toThrow('17: server 1 cuts off');
  });
});
