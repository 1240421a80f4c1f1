/** Members that change while clients are served (quorum-protocol.md §9): who may ask, for what, what comes of it. */
import { ErrorNumber, EventType } from '@treekeeper/protocol';
import { describe, expect, test } from 'vitest';
import { expectSameTrees, serverLine, TestEnsemble, type TestMember } from './ensemble.ts';
import { create, exists, getData, type Reconfig, reconfig, setData, sync } from './requests.ts';
import type { TestClient } from './support.ts';

const CONFIG = '/zookeeper/config';

function text(data: Uint8Array | null): string {
  return Buffer.from(data ?? []).toString();
}

/** The lines of a configuration without its version. */
function lines(configuration: string): string[] {
  return configuration.split('\n').slice(0, -1);
}

function versionOf(configuration: string): bigint {
  return BigInt(`0x${/^version=([0-9a-f]+)$/m.exec(configuration)?.[1] ?? ''}`);
}

/** What a client of each member reads after a sync. */
function configurations(ensemble: TestEnsemble): string[] {
  return ensemble.members.map((member) => {
    const client = member.client();
    client.get(sync('/'));
    return text(client.get(getData(CONFIG)).data);
  });
}

function states(ensemble: TestEnsemble): string[] {
  return ensemble.members.map(({ running }) => running.member?.peer.state ?? '');
}

function change(ensemble: TestEnsemble, asked: Reconfig, member: TestMember = ensemble.leader): string {
  const { data } = member.superuser().get(reconfig(asked));
  ensemble.untilServing();
  ensemble.advance(1000);
  ensemble.untilServing();
  return text(data);
}

describe('what is refused', () => {
  const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
  const client = ensemble.leader.superuser();
  const [follower] = ensemble.learners;

  test.each<[what: string, asked: Reconfig, err: number]>([
    ['another version than the one in force', { from: 7n }, ErrorNumber.BAD_VERSION],
    ['a joining server that is none', { joining: 'zoo4:2888:3888;2181' }, ErrorNumber.BAD_ARGUMENTS],
    ['a joining server without a client port', { joining: 'server.4=s4:2888:3888' }, ErrorNumber.BAD_ARGUMENTS],
    ["a joining server at another's place", { joining: 'server.4=s1:2888:3999;s4:2181' }, ErrorNumber.BAD_ARGUMENTS],
    ['a joining server with a number too high', { joining: 'server.256=s4:1:2;3' }, ErrorNumber.BAD_ARGUMENTS],
    ['several addresses, which are not allowed here', { joining: 'server.4=a:1:2|b:1:2;3' }, ErrorNumber.BAD_ARGUMENTS],
    ['a leaving server that is no number', { leaving: 'two' }, ErrorNumber.MARSHALLING_ERROR],
    ['fewer than two voters', { leaving: '1,2' }, ErrorNumber.BAD_ARGUMENTS],
    ['members that are none', { members: 'servers=3' }, ErrorNumber.BAD_ARGUMENTS],
    ['groups that leave somebody out', { members: `${serverLine(1)},group.1=2` }, ErrorNumber.BAD_ARGUMENTS],
    [
      'members of whom no quorum is here',
      { joining: `${serverLine(4)},${serverLine(5)},${serverLine(6)}` },
      ErrorNumber.NEW_CONFIG_NO_QUORUM,
    ],
  ])('%s', (_what, asked, err) => {
    expect(client.err(reconfig(asked))).toBe(err);
    expect(follower.superuser().err(reconfig(asked))).toBe(err);
    expect(lines(text(client.get(getData(CONFIG)).data))).toEqual([1, 2, 3].map((id) => serverLine(id)));
  });

  test('whoever may not write the node', () => {
    expect(ensemble.leader.client().err(reconfig({ leaving: '1' }))).toBe(ErrorNumber.NO_AUTH);
    expect(ensemble.leader.client().err(reconfig({ from: 7n })), 'after all else').toBe(ErrorNumber.BAD_VERSION);
  });

  test('everything, where it is off', () => {
    const fixed = new TestEnsemble(3);
    expect(fixed.leader.superuser().err(reconfig())).toBe(ErrorNumber.RECONFIG_DISABLED);
    expect(fixed.learners[0].superuser().err(reconfig())).toBe(ErrorNumber.RECONFIG_DISABLED);
    expect(versionOf(text(fixed.leader.client().get(getData(CONFIG)).data))).toBe(0n);
  });

  test('a second change while the first is not committed', () => {
    const busy = new TestEnsemble(3, { reconfigEnabled: true });
    const superuser = busy.leader.superuser();
    const errs = superuser.pipeline(reconfig(), reconfig(), create('/between')).map(([, , err]) => err);
    expect(errs).toEqual([0, ErrorNumber.RECONFIG_IN_PROGRESS, 0]);
  });
});

describe('the node', () => {
  test('has the first version by itself, in every tree the same', () => {
    const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
    const [first, ...others] = configurations(ensemble);
    expect(versionOf(first)).toBe(0x100000000n);
    expect(others).toEqual([first, first]);
  });

  test('cannot be written by setData, and is read by everyone', () => {
    const client = new TestEnsemble(3, { reconfigEnabled: true }).leader.client();
    expect(client.err(setData(CONFIG, 'version=7'))).toBe(ErrorNumber.NO_AUTH);
    expect(client.get(getData(CONFIG)).stat).toMatchObject({ version: -1, aversion: -1, mzxid: 0x100000000n });
  });

  test('tells its watchers once of a change, with its zxid; they read the new one', () => {
    const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
    const watchers = ensemble.members.map((member) => member.client());
    for (const watcher of watchers) {
      watcher.get(getData(CONFIG, true));
    }
    const { data, stat } = ensemble.learners[0].superuser().get(reconfig({ from: 0x100000000n }));
    expect(versionOf(text(data))).toBe(stat.mzxid);
    for (const watcher of watchers) {
      expect(watcher.events()).toEqual([['event', EventType.nodeDataChanged, CONFIG, Number(stat.mzxid)]]);
      expect(text(watcher.get(getData(CONFIG)).data)).toBe(text(data));
    }
  });
});

describe('from three servers to five and back', () => {
  const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
  const [one] = ensemble.members;
  let writer: TestClient<TestMember> = one.client();

  function expectMembers(ids: readonly number[], answer: string): void {
    expect(lines(answer)).toEqual(ids.map((id) => serverLine(id)));
    expect(configurations(ensemble)).toEqual(ensemble.members.map(() => answer));
    expect(ensemble.members.map(({ configuration }) => configuration.text)).toEqual(ensemble.members.map(() => answer));
    expect(writer.err(create(`/members ${ids}`))).toBe(0);
    expectSameTrees(ensemble);
  }

  test('those who come follow without a vote, until they are taken in', () => {
    const joining = [ensemble.add(), ensemble.add()];
    expect(joining.map(({ running }) => running.member?.peer.state)).toEqual(['following', 'following']);
    expect(joining[0].client().err(create('/by a server without a vote'))).toBe(0);
    expectMembers([1, 2, 3, 4, 5], change(ensemble, { joining: `${serverLine(4)},${serverLine(5)}` }));
  });

  test('two may fail now', () => {
    const gone = ensemble.learners.slice(0, 2);
    gone.map((member) => member.kill());
    ensemble.advance(10_000);
    writer = ensemble.leader.client();
    expect(writer.err(create('/two have failed'))).toBe(0);
    gone.map((member) => member.start());
    ensemble.untilServing();
    expect(gone[0].client().err(exists('/two have failed'))).toBe(0);
  });

  test('the leader may leave: another leads at once, and it goes on without a vote', () => {
    const before = ensemble.leader;
    const rest = ensemble.members.filter((member) => member !== before).map(({ id }) => id);
    writer = ensemble.learners[0].client();
    const answer = change(ensemble, { leaving: `${before.id}` });
    expect(ensemble.leader).not.toBe(before);
    expect(ensemble.leader.messages.join('\n')).not.toContain('no quorum');
    expect(before.running.member?.peer.state).toBe('following');
    writer = ensemble.learners[0].resume(writer);
    expectMembers(rest, answer);
  });

  test('three are left, of whom one may fail', () => {
    const leaving = ensemble.learners.map(({ id }) => id).filter((id) => ensemble.leader.configuration.isVoter(id))[0];
    const answer = change(ensemble, { leaving: `${leaving}` });
    const rest = ensemble.leader.configuration.voters;
    expect(rest).toHaveLength(3);
    writer = ensemble.leader.client();
    expectMembers(rest, answer);
    const gone = ensemble.learners.filter(({ id }) => rest.includes(id))[0];
    gone.kill();
    ensemble.advance(10_000);
    expect(ensemble.leader.client().err(create('/one has failed'))).toBe(0);
  });
});

describe('roles', () => {
  test('an observer becomes a voter, and a voter an observer', () => {
    const ensemble = new TestEnsemble(3, { observers: 1, reconfigEnabled: true });
    expect(states(ensemble).filter((state) => state === 'observing')).toEqual(['observing']);
    const voter = ensemble.learners[0].id;
    change(ensemble, { joining: `${serverLine(4)},${serverLine(voter, 'observer')}` });
    expect(ensemble.member(4).running.member?.peer.state).toMatch(/following|leading/);
    expect(ensemble.member(voter).running.member?.peer.state).toBe('observing');
    expect(ensemble.member(voter).client().err(create('/by an observer'))).toBe(0);
    expectSameTrees(ensemble);
  });

  test('a leader that is to observe gives leadership away', () => {
    const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
    const before = ensemble.leader;
    change(ensemble, { joining: serverLine(before.id, 'observer') });
    expect(before.running.member?.peer.state).toBe('observing');
    expect(ensemble.leader.id).not.toBe(before.id);
    expectSameTrees(ensemble);
  });

  test('the whole may change at once, to groups and weights', () => {
    const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
    const members = [1, 2, 3].map((id) => serverLine(id)).join('\n');
    const answer = change(ensemble, { members: `${members}\ngroup.1=1:2:3\nweight.1=0\n` });
    expect(lines(answer).slice(3)).toEqual(['group.1=1:2:3', 'weight.1=0', 'weight.2=1', 'weight.3=1']);
    expect(ensemble.leader.superuser().err(reconfig({ leaving: '1' }))).toBe(ErrorNumber.BAD_ARGUMENTS);
    // Of three votes one does not count: of the two others both are needed.
    ensemble.member(1).kill();
    ensemble.advance(10_000);
    expect(ensemble.leader.client().err(create('/without the one that does not count'))).toBe(0);
  });
});

test('who loses the weight of its vote leads no more, and is given no leadership', () => {
  const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
  const weightless = ensemble.leader;
  const members = [1, 2, 3].map((id) => serverLine(id)).join('\n');
  change(ensemble, { members: `${members}\ngroup.1=1:2:3\nweight.${weightless.id}=0\n` });
  expect(ensemble.leader.id).not.toBe(weightless.id);
  expect(ensemble.leader.running.member?.handOver(weightless.id)).toBe(false);
  for (const before of [ensemble.leader.id, ensemble.learners.find(({ id }) => id !== weightless.id)?.id]) {
    expect(ensemble.leader.id).toBe(before);
    expect(ensemble.leader.running.member?.handOver(null)).toBe(true);
    ensemble.advance(1000);
    ensemble.untilServing();
  }
  expectSameTrees(ensemble);
});

test('one server grows to three, and shrinks to one', () => {
  const ensemble = new TestEnsemble(1, { reconfigEnabled: true, votersMin: 1 });
  ensemble.leader.client().get(create('/alone'));
  ensemble.add();
  ensemble.add();
  change(ensemble, { joining: `${serverLine(2)},${serverLine(3)}` });
  expect(ensemble.leader.configuration.voters).toEqual([1, 2, 3]);
  expect(ensemble.member(3).client().err(exists('/alone'))).toBe(0);
  change(ensemble, { leaving: '2,3' });
  ensemble.member(2).kill();
  ensemble.member(3).kill();
  ensemble.advance(10_000);
  expect(ensemble.member(1).client().err(create('/alone again'))).toBe(0);
});

test('servers that are started again know the members they had', () => {
  const ensemble = new TestEnsemble(3, { reconfigEnabled: true });
  ensemble.add();
  const answer = change(ensemble, { joining: serverLine(4), leaving: '1' });
  for (const member of ensemble.members) {
    member.crash();
  }
  for (const member of ensemble.members) {
    member.start();
  }
  ensemble.untilServing();
  expect(configurations(ensemble)).toEqual(ensemble.members.map(() => answer));
});
