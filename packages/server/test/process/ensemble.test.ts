/** An ensemble of processes: writes through each, and nothing lost whoever dies. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, exists, getData, setData, sync } from '../replica/requests.ts';
import type { Client } from './support/client.ts';
import { EnsembleProcesses, type MemberProcess, until } from './support/ensemble.ts';

const EPHEMERAL = 1;
let ensemble: EnsembleProcesses;

beforeAll(async () => {
  ensemble = await EnsembleProcesses.start(3);
}, 60_000);
afterAll(() => ensemble.stop());

async function textAt(client: Client, path: string): Promise<string> {
  await client.call(sync('/'));
  const { err, body } = await client.call(getData(path));
  return err === 0 ? Buffer.from(body.data ?? []).toString() : `error ${err}`;
}

/** What all members have at the path. */
async function everywhere(path: string): Promise<string[]> {
  return await Promise.all(
    ensemble.members.map(async (member) => {
      const client = await member.client();
      const text = await textAt(client, path);
      await client.end();
      return text;
    }),
  );
}

/** All servers have applied the same, and no digest was other than the leader's. */
async function expectSameTrees(): Promise<void> {
  const zxids = await until('all have the same zxid', async () => {
    const clients = await Promise.all(ensemble.members.map((member) => member.client()));
    const answers = await Promise.all(clients.map((client) => client.call(sync('/'))));
    const seen = new Set(answers.map(({ zxid }) => zxid));
    for (const client of clients) {
      client.socket.destroy();
    }
    return seen.size === 1 ? seen : null;
  });
  expect(zxids.size).toBe(1);
  const keys = ['digest_mismatches_count', 'znode_count', 'ephemerals_count'];
  const values = await Promise.all(
    ensemble.members.map(async (member) => await Promise.all(keys.map((key) => member.monitor(key)))),
  );
  expect(values).toEqual(Array(3).fill(['0', ...values[0].slice(1)]));
}

/** Writes until the connection ends; what was acknowledged. */
function writeOn(client: Client, prefix: string): { readonly acknowledged: string[]; readonly ended: Promise<void> } {
  const acknowledged: string[] = [];
  const ended = (async () => {
    for (let i = 0; ; i++) {
      const path = `/${prefix}-${i}`;
      const { err } = await client.call(create(path));
      expect(err).toBe(0);
      acknowledged.push(path);
    }
  })().catch((error: unknown) => {
    if (!(error instanceof Error) || error.message !== 'the connection was closed') {
      throw error;
    }
  });
  return { acknowledged, ended };
}

async function others(one: MemberProcess): Promise<MemberProcess[]> {
  return ensemble.members.filter((member) => member !== one);
}

test('every member takes writes, and shows those of the others after a sync', async () => {
  for (const member of ensemble.members) {
    const client = await member.client();
    await client.call(create(`/by-${member.id}`));
    await client.call(setData(`/by-${member.id}`, 'written'));
    expect(await everywhere(`/by-${member.id}`)).toEqual(['written', 'written', 'written']);
    await client.end();
  }
  await expectSameTrees();
});

test('operators see who leads, who follows, and who belongs to it', async () => {
  const leader = await ensemble.leader();
  expect(await leader.monitor('server_state')).toBe('leader');
  expect(await leader.monitor('synced_followers')).toBe('2');
  expect(await leader.monitor('quorum_size')).toBe('3');
  expect(await leader.monitor('peer_state')).toBe('leading - broadcast');
  const [follower] = await others(leader);
  expect(await follower.monitor('server_state')).toBe('follower');
  expect(await follower.monitor('synced_followers')).toBeUndefined();
});

describe.each(['SIGKILL', 'SIGTERM'] as const)('when the leader is ended by %s', (signal) => {
  test('another leads, sessions go on there, and everything acknowledged is everywhere', async () => {
    const leader = await ensemble.leader();
    const [follower, other] = await others(leader);
    const owner = await leader.client();
    await owner.call(create(`/owned ${signal}`, { flags: EPHEMERAL, data: 'owned' }));
    const writing = writeOn(await follower.client(), `during ${signal}`);
    await until('some are written', async () => (writing.acknowledged.length > 20 ? true : null));
    await leader.stop(signal);
    await writing.ended;
    await ensemble.untilServing();
    const again = await other.client(owner);
    expect(again.sessionId).toBe(owner.sessionId);
    expect(await textAt(again, `/owned ${signal}`)).toBe('owned');
    for (const path of writing.acknowledged) {
      expect((await again.call(exists(path))).err, path).toBe(0);
    }
    expect((await again.call(create(`/after ${signal}`))).err).toBe(0);
    await again.end();

    await leader.start();
    await ensemble.untilServing();
    expect(await everywhere(`/after ${signal}`)).toEqual(['', '', '']);
    await expectSameTrees();
  });
});

test('without a quorum nobody serves; with one again everything is there', async () => {
  const leader = await ensemble.leader();
  const gone = await others(leader);
  const client = await leader.client();
  await client.call(create('/before the quorum was lost'));
  await Promise.all(gone.map((member) => member.stop('SIGKILL')));
  await client.closed;
  expect(await leader.mode()).toBeNull();
  await Promise.all(gone.map((member) => member.start()));
  await ensemble.untilServing();
  expect(await everywhere('/before the quorum was lost')).toEqual(['', '', '']);
  await expectSameTrees();
});

test('all at once killed, and started again: nothing acknowledged is lost', async () => {
  const client = await ensemble.members[1].client();
  const writing = writeOn(client, 'before the end');
  await until('some are written', async () => (writing.acknowledged.length > 50 ? true : null));
  await Promise.all(ensemble.members.map((member) => member.stop('SIGKILL')));
  await writing.ended;
  await Promise.all(ensemble.members.map((member) => member.start()));
  await ensemble.untilServing();
  const reader = await ensemble.members[0].client();
  await reader.call(sync('/'));
  for (const path of writing.acknowledged) {
    expect((await reader.call(exists(path))).err, path).toBe(0);
  }
  await reader.end();
  await expectSameTrees();
});
