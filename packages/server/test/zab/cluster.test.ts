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
});
