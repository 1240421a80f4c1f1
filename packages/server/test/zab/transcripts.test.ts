/**
 * What servers say to one another, to read: one file for each story. `vitest -u` writes them anew; read the difference.
 */
import { describe, expect, test } from 'vitest';
import { Cluster } from './cluster/cluster.ts';
import type { Server } from './cluster/server.ts';

const LEADERSHIP = { tickTimeMs: 1000 };

/** From here on everything is taken down. */
function listen(cluster: Cluster): void {
  cluster.trace.length = 0;
  cluster.wiretap.isTranscribing = true;
}

async function expectTranscript(cluster: Cluster, name: string): Promise<void> {
  await expect(`${cluster.trace.join('\n')}\n`).toMatchFileSnapshot(`./transcripts/zab-${name}.txt`);
}

function three(options = {}): Cluster {
  return new Cluster(1, { voters: 3, ...LEADERSHIP, ...options });
}

/** An ensemble that has written a few transactions; server 3 leads it. */
function running(cluster: Cluster, writes: number): Server {
  cluster.start(...cluster.ids);
  const leader = cluster.untilWhole();
  writeThrough(cluster, leader, writes);
  return leader;
}

/** One after the other. */
function writeThrough(cluster: Cluster, server: Server, writes: number): void {
  for (let i = 0; i < writes; i++) {
    const wanted = cluster.order.length + 1;
    server.write(`write ${i}`);
    cluster.until('everyone has it', () => cluster.up.every(({ database }) => database.history().length === wanted));
  }
}

describe('transcripts', () => {
  test('the start of three', async () => {
    const cluster = three();
    listen(cluster);
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    writeThrough(cluster, leader, 1);
    writeThrough(cluster, cluster.server(1), 1);
    await expectTranscript(cluster, 'start-of-three');
  });

  test('DIFF: a follower that was away', async () => {
    const cluster = three();
    const leader = running(cluster, 2);
    cluster.crash(1);
    writeThrough(cluster, leader, 3);
    listen(cluster);
    cluster.start(1);
    cluster.untilWhole();
    await expectTranscript(cluster, 'diff');
  });

  test('DIFF out of the log on disk, where the window does not reach', async () => {
    const cluster = three({ committedLogEntriesMax: 1 });
    const leader = running(cluster, 2);
    cluster.crash(1);
    writeThrough(cluster, leader, 3);
    listen(cluster);
    cluster.start(1);
    cluster.untilWhole();
    await expectTranscript(cluster, 'diff-from-log');
  });

  test('TRUNC: an old leader with transactions that nobody else has', async () => {
    const cluster = three();
    const leader = running(cluster, 2);
    cluster.network.cut(leader.serverId, 1);
    cluster.network.cut(leader.serverId, 2);
    leader.write('lost');
    leader.write('lost too');
    cluster.run(10);
    cluster.crash(leader.serverId);
    cluster.network.heal();
    cluster.untilWhole();
    listen(cluster);
    cluster.start(leader.serverId);
    const next = cluster.untilWhole();
    expect(next.database.history()).toHaveLength(2);
    await expectTranscript(cluster, 'trunc');
  });

  test('SNAP: a follower whose disk was wiped', async () => {
    const cluster = three({ committedLogEntriesMax: 1, snapshotSizeFactor: -1, transferBytesPerTurn: 32 });
    const leader = running(cluster, 4);
    cluster.crash(1);
    cluster.wipe(1);
    listen(cluster);
    cluster.start(1);
    cluster.until('it is being brought up to date', () => cluster.server(1).peer.phase === 'loading');
    leader.write('while the snapshot is on its way');
    cluster.untilWhole();
    cluster.until('all has come', () => cluster.server(1).database.history().length === 5);
    await expectTranscript(cluster, 'snap');
  });

  test('proposals that are outstanding while a follower joins', async () => {
    const cluster = three();
    const leader = running(cluster, 1);
    cluster.crash(1);
    cluster.network.cut(2, leader.serverId); // the other follower's acknowledgements do not arrive
    leader.write('outstanding');
    leader.write('outstanding as well');
    listen(cluster);
    cluster.start(1);
    cluster.until('the joiner commits it', () => cluster.server(1).database.history().length === 3);
    await expectTranscript(cluster, 'outstanding');
  });

  test('the leader crashes', async () => {
    const cluster = three();
    const leader = running(cluster, 2);
    leader.write('proposed, and maybe more');
    cluster.run(1);
    listen(cluster);
    cluster.crash(leader.serverId);
    cluster.untilWhole();
    writeThrough(cluster, cluster.server(1), 1);
    cluster.start(leader.serverId);
    cluster.untilWhole();
    await expectTranscript(cluster, 'leader-crash');
  });

  test('an observer', async () => {
    const cluster = new Cluster(1, { voters: 3, observers: 1, ...LEADERSHIP });
    cluster.start(1, 2, 3);
    const leader = cluster.untilWhole();
    writeThrough(cluster, leader, 2);
    listen(cluster);
    cluster.start(4);
    cluster.untilWhole();
    writeThrough(cluster, cluster.server(4), 1);
    cluster.server(4).sync();
    cluster.until('the sync is done', () => cluster.server(4).syncsDone === 1);
    await expectTranscript(cluster, 'observer');
  });

  test('leadership is handed over', async () => {
    const cluster = three();
    const leader = running(cluster, 2);
    listen(cluster);
    leader.write('before');
    leader.handOver(null);
    cluster.run(5);
    cluster.untilWhole();
    await expectTranscript(cluster, 'hand-over');
  });
});
