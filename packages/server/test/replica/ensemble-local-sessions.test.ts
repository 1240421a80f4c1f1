/** Local sessions in an ensemble: known to one server only, until they need more (quorum-protocol.md §7.6). */
import { ErrorNumber } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { expectSameTrees, TestEnsemble } from './ensemble.ts';
import { create, exists, getData, multi, setData, sync } from './requests.ts';

const EPHEMERAL = 1;

function started(localSessionsUpgradingEnabled: boolean): TestEnsemble {
  const rules = { ...simulatedOptions.rules, localSessionsUpgradingEnabled };
  return new TestEnsemble(3, { observers: 1, replica: { localSessionsEnabled: true, rules } });
}

describe('with upgrading', () => {
  const ensemble = started(true);
  ensemble.leader.client().get(create('/the first of the epoch'));
  const servers = ensemble.members.map((member) => [`server ${member.id}`, member] as const);

  test.each(servers)('at %s: a session costs no transaction, and its client writes', (name, member) => {
    const before = ensemble.leader.running.world.tree.lastZxid;
    const client = member.client();
    expect(ensemble.leader.running.world.tree.lastZxid).toBe(before);
    expect(member.running.world.sessions.localCount).toBeGreaterThan(0);
    const { zxid } = client.ask(create(`/of ${name}`));
    expect(zxid).toBe(before + 1);
    expect(client.get(setData(`/of ${name}`, 'x')).stat.version).toBe(1);
    client.close();
  });

  test.each(servers)('at %s: an ephemeral node makes it global, and then it may move', (name, member) => {
    const client = member.client();
    client.get(create(`/ephemeral ${name}`, { flags: EPHEMERAL }));
    client.get(multi(create(`/another ${name}`, { flags: EPHEMERAL })));
    for (const other of ensemble.members) {
      other.client().get(sync('/'));
      expect(other.running.world.sessions.get(client.sessionId)?.local).toBe(false);
    }
    const [elsewhere] = ensemble.members.filter((other) => other !== member);
    const again = elsewhere.resume(client);
    expect(again.get(getData(`/ephemeral ${name}`)).stat.ephemeralOwner).toBe(client.sessionId);
    again.close();
    expect(ensemble.leader.client().err(exists(`/ephemeral ${name}`))).toBe(ErrorNumber.NO_NODE);
  });

  test('one that is local is unknown elsewhere', () => {
    const client = ensemble.members[0].client();
    const again = ensemble.members[1].resume(client);
    expect(again.wire.handshake).toMatchObject({ timeOut: 0, sessionId: 0n });
    expect(client.err(exists('/'))).toBe(0);
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});

describe('without upgrading', () => {
  const ensemble = started(false);
  const servers = ensemble.members.map((member) => [`server ${member.id}`, member] as const);

  test.each(servers)('at %s: ephemeral nodes are refused, in their place', (name, member) => {
    const client = member.client();
    const lines = client.pipeline(
      create(`/before ${name}`),
      create(`/ephemeral ${name}`, { flags: EPHEMERAL }),
      create(`/after ${name}`),
    );
    expect(lines.map(([, , err]) => err)).toEqual([0, ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION, 0]);
  });

  test('a session that has ended writes no more', () => {
    const member = ensemble.learners[0];
    const client = member.client(4000);
    ensemble.advance(10_000);
    expect(client.closed).toBe(true);
    expect(member.running.world.sessions.get(client.sessionId)).toBeUndefined();
  });

  test('all have the same tree', () => {
    expectSameTrees(ensemble);
  });
});
