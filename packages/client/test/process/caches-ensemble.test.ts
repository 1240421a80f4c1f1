/** Caches whose client goes from server to server: they end as the tree, and show nothing older than what they had. */
import { startEnsemble } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import { type Client, isTreekeeperError, TreeCache, utf8 } from '../../src/index.ts';

const PATHS = ['/t/a', '/t/b', '/t/a/c', '/t/a/d'];
const ROUNDS = 6;
const CHANGES = 30;

/** As often as it takes; what is so already, or cannot be, is passed over. */
async function change(client: Client, round: number, i: number): Promise<void> {
  const path = PATHS[(i * 7 + round) % PATHS.length] as string;
  try {
    if (i % 3 === 0) {
      await client.delete(path);
    } else if (i % 3 === 1) {
      await client.create(path, `${round} ${i}`);
    } else {
      await client.set(path, `${round} ${i}`);
    }
  } catch (error) {
    const codes = ['NO_NODE', 'NODE_EXISTS', 'NOT_EMPTY', 'CONNECTION_LOSS'];
    if (!isTreekeeperError(error) || !codes.includes(error.code)) {
      throw error;
    }
  }
}

async function walk(client: Client, path: string): Promise<string[]> {
  const { value, stat } = await client.get(path, { codec: utf8 });
  const below = (await client.children(path)).map((name) => walk(client, `${path}/${name}`));
  return [`${path} ${value} ${stat.mzxid}`, ...(await Promise.all(below)).flat()];
}

async function treeOf(client: Client): Promise<string[]> {
  for (;;) {
    await client.sync('/');
    try {
      return (await walk(client, '/t')).sort();
    } catch (error) {
      if (!isTreekeeperError(error, 'NO_NODE')) {
        throw error;
      }
    }
  }
}

test('a tree cache goes from server to server, and never back in time', async () => {
  await using ensemble = await startEnsemble(3);
  const [writer, reader] = [await ensemble.client(), await ensemble.client()];
  await writer.create('/t');
  await using tree = new TreeCache(reader, '/t', { codec: utf8 });
  const zxids = new Map<string, bigint>();
  let wentBack = 0;
  const following = (async () => {
    for await (const change of tree) {
      if (change.type === 'added' || change.type === 'changed') {
        wentBack += change.stat.mzxid > (zxids.get(change.path) ?? -1n) ? 0 : 1;
        zxids.set(change.path, change.stat.mzxid);
      }
    }
  })();
  for (let round = 0; round < ROUNDS; round++) {
    const member = await ensemble.memberOf(reader);
    const changes = Array.from({ length: CHANGES }, (_, i) => change(writer, round, i));
    if (round % 2 === 0) {
      member.cutConnections(reader.sessionId);
    } else {
      await member.kill();
    }
    await Promise.all(changes);
    // A change that was reported as lost may still happen: until the tree is the same before and after the look.
    for (let before = await treeOf(writer); ; ) {
      await tree.sync();
      const shown = [...tree.entries()].map(([path, { value, stat }]) => `${path} ${value} ${stat.mzxid}`);
      const after = await treeOf(writer);
      if (after.join() === before.join()) {
        expect(shown.sort()).toEqual(after);
        break;
      }
      before = after;
    }
    if (!member.running) {
      await member.restart();
      await ensemble.untilServing();
    }
  }
  await tree.close();
  await following;
  expect(wentBack).toBe(0);
});
