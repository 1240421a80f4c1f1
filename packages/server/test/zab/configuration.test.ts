import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Configuration, ConfigurationFault, jointQuorum } from '../../src/zab/configuration.ts';
import type { Endpoint, Member, MemberAddress } from '../../src/zab/members.ts';
import { goldenText } from './support.ts';

const THREE = ['server.1=a:1:2', 'server.2=b:1:2', 'server.3=c:1:2'].join('\n');

interface GoldenConfiguration {
  readonly text: string;
  readonly printed: string | null;
  readonly quorums: readonly [number[], boolean][];
}

describe('what Apache ZooKeeper makes of configuration texts', () => {
  const golden: GoldenConfiguration[] = JSON.parse(goldenText('configurations.json'));

  test('texts it refuses are refused', () => {
    const refused = golden.filter(({ printed }) => printed === null);
    expect(refused.length).toBeGreaterThan(5);
    for (const { text } of refused) {
      expect(() => Configuration.parse(text), text).toThrow(ConfigurationFault);
    }
  });

  /** Apache ZooKeeper starts with these, and never elects anyone. */
  const hopeless = golden.filter(({ printed }) => printed?.includes('weight') && !/^weight.*=[1-9]/m.test(printed));
  const usable = golden.filter((row) => row.printed !== null && !hopeless.includes(row));

  test('but for texts with which nobody could ever be elected', () => {
    expect(hopeless).not.toHaveLength(0);
    for (const { text, quorums } of hopeless) {
      expect(() => Configuration.parse(text), text).toThrow('all voters together are no quorum');
      expect(quorums.map(([, isQuorum]) => isQuorum)).not.toContain(true);
    }
  });

  test('others are printed with the same bytes', () => {
    for (const { text, printed } of usable) {
      expect(Configuration.parse(text).text).toBe(printed);
    }
  });

  test('the same sets are quorums', () => {
    for (const { text, quorums } of usable) {
      const configuration = Configuration.parse(text);
      for (const [servers, expected] of quorums) {
        expect(configuration.hasQuorum(new Set(servers)), `${servers} of ${text}`).toBe(expected);
      }
    }
  });

  test('texts seen between its servers come out as they went in', () => {
    const texts = goldenText('configurations.txt').trimEnd().split('\n');
    expect(texts).toHaveLength(11);
    for (const line of texts) {
      const text = line.replaceAll('\\n', '\n');
      expect(Configuration.parse(text).text).toBe(text);
    }
  });
});

const port = fc.integer({ min: 1, max: 65535 });
const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
const address: fc.Arbitrary<MemberAddress> = fc
  .record({ host, quorumPort: port, electionPort: port })
  .filter(({ quorumPort, electionPort }) => quorumPort !== electionPort);
const endpoint: fc.Arbitrary<Endpoint | null> = fc.option(fc.record({ host, port }));
const ofMember = fc.record({
  // In the order of their hosts, as they are printed.
  addresses: fc
    .uniqueArray(address, { minLength: 1, maxLength: 3, selector: (one) => one.host })
    .map((list) => list.sort((one, other) => (one.host < other.host ? -1 : 1))),
  client: endpoint,
  secureClient: endpoint,
});
const configurations = fc
  .record({
    ids: fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 9 }),
    of: fc.array(ofMember, { minLength: 9, maxLength: 9 }),
    observers: fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
    groupOf: fc.option(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 9, maxLength: 9 })),
    weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 9, maxLength: 9 }),
    version: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  })
  .map(({ ids, of, observers, groupOf, weights, version }) => {
    const members = ids.map(
      (id, i): Member => ({ id, role: i > 0 && observers[i] ? 'observer' : 'participant', ...of[i] }),
    );
    const voters = members.filter(({ role }) => role === 'participant').map(({ id }) => id);
    const groups = new Map<number, number[]>();
    for (const [i, voter] of voters.entries()) {
      const group = groupOf?.[i] ?? 0;
      groups.set(group, [...(groups.get(group) ?? []), voter]);
    }
    return groupOf === null
      ? new Configuration({ members, version })
      : new Configuration({ members, groups, weights: new Map(voters.map((id, i) => [id, weights[i]])), version });
  });

/** All that a configuration says. */
function contentOf({ members, groups, weights, version, voters }: Configuration): unknown {
  return { members, groups, weights, version, voters };
}

test('parse, print, parse is the identity', () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      const parsed = Configuration.parse(configuration.text);
      expect(contentOf(parsed)).toEqual(contentOf(configuration));
      expect(parsed.text).toBe(configuration.text);
    }),
  );
});

describe('the text', () => {
  test('is ended by the version, without a line end', () => {
    expect(Configuration.parse('server.2=b:1:2:observer;;5\nserver.1=[::1]:1:2|a:3:4;9\nversion=1f00000010').text).toBe(
      [
        'server.1=[::1]:1:2|a:3:4:participant;0.0.0.0:9',
        'server.2=b:1:2:observer;;0.0.0.0:5',
        'version=1f00000010',
      ].join('\n'),
    );
  });

  test('may have lines in any order, comments, and a line end at its end', () => {
    expect(Configuration.parse('version=a\n# ours\nserver.3 = c:1:2\nserver.1:a:1:2\n')).toMatchObject({
      version: 10,
      voters: [1, 3],
    });
  });

  test('without a version has version 0', () => {
    expect(Configuration.parse('server.1=a:1:2').version).toBe(0);
  });

  test.each([
    ['', 'no participant'],
    ['server.1=a:1:2:observer', 'no participant'],
    ['server.1=a:1', 'server.1=a:1 is not of the form'],
    ['server.1=:1:2', "has '' where a host name"],
    ['server.x=a:1:2', "server.x: 'x' is not a number"],
    [`${THREE}\nclientPort=2181`, 'clientPort does not belong'],
    [`${THREE}\nversion=zz`, 'version=zz is not a version'],
    [`${THREE}\nversion=ffffffffffffffff`, 'is not a version'],
    [`${THREE}\nweight.1=2`, 'weights and no groups'],
    [`${THREE}\ngroup.1=1:2`, 'server 3 is in no group'],
    [`${THREE}\ngroup.1=1:2:3\ngroup.2=2`, 'server 2 is in group 1 and in group 2'],
    [`${THREE}\ngroup.1=1:2:3:4`, 'group 1 names server 4'],
    [`${THREE}\ngroup.1=1:2:3:`, "'' is not a number"],
    [`${THREE}\ngroup.1=1:2:3\nweight.1=0\nweight.2=0\nweight.3=0`, 'no quorum'],
    ['server.1=\\u12', 'line 1: \\u must be followed'],
  ])('%j is refused', (text, reason) => {
    expect(() => Configuration.parse(text)).toThrow(ConfigurationFault);
    expect(() => Configuration.parse(text)).toThrow(reason);
  });
});

describe('members', () => {
  const configuration = Configuration.parse(`${THREE}\nserver.4=d:1:2:observer\ngroup.1=1:2:3\nweight.2=0`);

  test('are found by their id', () => {
    expect(configuration.member(4)?.role).toBe('observer');
    expect(configuration.member(5)).toBeUndefined();
    expect([1, 4, 5].map((id) => configuration.isVoter(id))).toEqual([true, false, false]);
  });

  test('have votes of different weight', () => {
    expect([1, 2, 3].map((id) => configuration.weightOf(id))).toEqual([1, 0, 1]);
    expect(Configuration.parse(THREE).weightOf(2)).toBe(1);
  });

  test('are the same in another version and with other client ports', () => {
    const base = Configuration.parse(THREE);
    expect(base.withVersion(7).text).toBe(base.text.replace('version=0', 'version=7'));
    expect(base.hasSameMembers(base.withVersion(7))).toBe(true);
    expect(base.hasSameMembers(Configuration.parse(`${THREE};2181`))).toBe(true);
    for (const other of [`${THREE}:observer`, `${THREE}\nserver.4=d:1:2`, THREE.replace('c:1:2', 'c:1:3')]) {
      expect(base.hasSameMembers(Configuration.parse(other))).toBe(false);
    }
  });
});

test('a newer configuration that is not committed yet has a say too', () => {
  const committed = Configuration.parse(`${THREE}\nversion=5`);
  const next = Configuration.parse('server.3=c:1:2\nserver.4=d:1:2\nversion=6');
  expect(jointQuorum(committed, null)).toBe(committed);
  expect(jointQuorum(committed, next.withVersion(5))).toBe(committed);
  expect(jointQuorum(committed, next).hasQuorum(new Set([1, 2]))).toBe(false);
  expect(jointQuorum(committed, next).hasQuorum(new Set([1, 3, 4]))).toBe(true);
});
