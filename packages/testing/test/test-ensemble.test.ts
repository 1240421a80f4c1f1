import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startEnsemble } from '../src/index.ts';

const PATIENT = 60_000;

describe('an ensemble', { timeout: PATIENT }, () => {
  test('serves, elects anew when the leader dies, and leaves nothing behind', async () => {
    let directory: string;
    {
      await using ensemble = await startEnsemble();
      directory = dirname(dirname((ensemble.members[0] as { dataDirectory: string }).dataDirectory));
      expect(ensemble.members.map(({ id }) => id)).toEqual([1, 2, 3]);
      expect(ensemble.members.map(({ mode }) => mode).toSorted()).toEqual(['follower', 'follower', 'leader']);
      const client = await ensemble.client();
      await client.create('/kept');
      const first = await ensemble.leader();
      await first.kill();
      expect(first.mode).toBeNull();
      await client.create('/kept/more', null, { idempotent: true });
      const second = await ensemble.leader();
      expect(second).not.toBe(first);
      await first.restart();
      await ensemble.untilServing();
      expect(first.mode).toBe('follower');
      const late = await first.client();
      await late.sync();
      expect(await late.children('/kept')).toEqual(['more']);
    }
    expect(existsSync(directory)).toBe(false);
  });

  test('a member can be found by its client, and its sessions go on at another', async () => {
    await using ensemble = await startEnsemble();
    const client = await ensemble.client();
    const { sessionId } = client;
    const before = await ensemble.memberOf(client);
    expect(before.serves(client)).toBe(true);
    await client.create('/mine', null, { mode: 'ephemeral' });
    await before.stop();
    expect((await client.exists('/mine'))?.ephemeralOwner).toBe(sessionId);
    expect(await ensemble.memberOf(client)).not.toBe(before);
  });

  test('sessions of any member are expired', async () => {
    await using ensemble = await startEnsemble(3);
    const observer = await ensemble.client();
    for (const member of ensemble.members) {
      const client = await member.client();
      await client.create(`/of-${member.id}`, null, { mode: 'ephemeral' });
      expect(await ensemble.expireSession(client.sessionId)).toBe(true);
      await observer.sync();
      expect(await observer.exists(`/of-${member.id}`)).toBeNull();
      expect(await ensemble.expireSession(client.sessionId)).toBe(false);
    }
  });

  test('with observers and settings; a wrong one is refused', async () => {
    await using ensemble = await startEnsemble(1, { observers: 1, settings: { maxSessionTimeout: 5000 } });
    expect(ensemble.members.map(({ mode }) => mode)).toEqual(['leader', 'observer']);
    const client = await (ensemble.members[1] as (typeof ensemble.members)[number]).client({ sessionTimeoutMs: 9000 });
    expect(client.sessionTimeoutMs).toBe(5000);
    await client.create('/through-an-observer');
    await expect(startEnsemble(3, { settings: { tickTime: 'soon' } })).rejects.toThrow('tickTime');
    await expect(startEnsemble(0)).rejects.toThrow(RangeError);
  });

  test('members come and go by reconfiguration, and a restarted one remembers', async () => {
    await using ensemble = await startEnsemble(3, { settings: { skipACL: 'yes' } });
    const client = await ensemble.client();
    const [, , third] = ensemble.members as [unknown, unknown, (typeof ensemble.members)[number]];
    const { text } = await client.reconfig({ leaving: [3] });
    expect(text).not.toContain('server.3=');
    await third.kill();
    await ensemble.untilServing();
    const leader = await ensemble.leader();
    await leader.kill();
    await leader.restart();
    await ensemble.untilServing();
    expect((await client.getConfig()).text).not.toContain('server.3=');
  });
});
