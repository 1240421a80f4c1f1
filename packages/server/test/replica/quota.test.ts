/** Quotas (client-protocol.md §9). */
import { describe, expect, test } from 'vitest';
import { simulatedOptions } from '../../../simulator/src/standalone-world.ts';
import { create, exists, getData, multi, remove, setData } from './requests.ts';
import { type TestClient, TestServer } from './support.ts';

const enforcing = { replica: { rules: { ...simulatedOptions.rules, enforceQuota: true } } };
const LIMITS = '/zookeeper/quota/q/zookeeper_limits';
const STATS = '/zookeeper/quota/q/zookeeper_stats';

/** A tree /q with a child of three bytes, and a quota on it. */
function withQuota(limits: string, options = enforcing): TestClient {
  const client = new TestServer(options).client();
  for (const request of [
    create('/q', { data: 'ab' }),
    create('/q/c', { data: 'xyz' }),
    create('/zookeeper/quota/q'),
    create(LIMITS, { data: limits }),
    create(STATS, { data: 'count=0,bytes=0' }),
  ]) {
    client.get(request);
  }
  return client;
}

function stats(client: TestClient): string {
  return Buffer.from(client.get(getData(STATS)).data ?? '').toString();
}

describe('the statistics', () => {
  test('trap 36: they count the quota node itself, and are the real totals from the start', () => {
    expect(stats(withQuota('count=10,bytes=100'))).toBe('count=2,bytes=5');
  });

  test('they follow every change of the subtree, those of sessions and the server included', () => {
    const client = withQuota('count=10,bytes=100');
    client.get(create('/q/c/d', { data: '1234' }));
    expect(stats(client)).toBe('count=3,bytes=9');
    client.get(setData('/q/c', ''));
    expect(stats(client)).toBe('count=3,bytes=6');
    client.get(multi(remove('/q/c/d'), setData('/q', null)));
    expect(stats(client)).toBe('count=2,bytes=0');
    const owner = client.server.client();
    owner.get(create('/q/e', { data: 'eph', flags: 1 }));
    expect(stats(client)).toBe('count=3,bytes=3');
    owner.close();
    expect(stats(client)).toBe('count=2,bytes=0');
    client.get(create('/qq', { data: 'not in it' }));
    expect(stats(client)).toBe('count=2,bytes=0');
  });

  test('trap 35: their update is no write: no zxid, no version, no event; only the length shows', () => {
    const client = withQuota('count=10,bytes=100');
    const before = client.get(exists(STATS)).stat;
    client.get(getData(STATS, true));
    for (let i = 0; i < 9; i++) {
      client.get(create(`/q/n${i}`));
    }
    expect(stats(client)).toBe('count=11,bytes=5');
    expect(client.get(exists(STATS)).stat).toEqual({ ...before, dataLength: before.dataLength + 1 });
    expect(client.events()).toEqual([]);
  });

  test('trap 43: garbage in them does no harm: the next change writes the truth', () => {
    const client = withQuota('count=10,bytes=100');
    client.get(setData(STATS, 'garbage'));
    client.get(create('/q/n'));
    expect(stats(client)).toBe('count=3,bytes=5');
    client.get(setData(STATS, null));
    client.get(remove('/q/n'));
    expect(stats(client)).toBe('count=2,bytes=5');
    client.get(remove(STATS));
    client.get(create('/q/n'));
    client.get(create(STATS));
    expect(stats(client)).toBe('count=3,bytes=5');
  });

  test('a restart counts anew', () => {
    const client = withQuota('count=2,bytes=100=;countHardLimit=3');
    client.get(setData(STATS, 'garbage'));
    client.server.replica.snapshots.start();
    client.server.settle();
    client.server.restart();
    const again = client.server.client();
    expect(stats(again)).toBe('count=2,bytes=5');
    expect(again.err(create('/q/x'))).toBe(0);
    expect(again.err(create('/q/y'))).toBe(-125);
  });
});

describe('the limits', () => {
  test('off by default: nothing is refused', () => {
    const client = withQuota('count=1,bytes=1=;byteHardLimit=1;countHardLimit=1', {
      replica: { rules: simulatedOptions.rules },
    });
    expect(client.err(create('/q/x', { data: 'more' }))).toBe(0);
    expect(client.err(setData('/q', 'much more'))).toBe(0);
  });

  test('soft limits refuse nothing; they are worth a line in the log', () => {
    const client = withQuota('count=2,bytes=5');
    expect(client.err(create('/q/x', { data: 'more' }))).toBe(0);
    expect(client.server.warnings.join()).toContain('/q');
  });

  test.each([
    ['count', 'count=-1,bytes=-1=;countHardLimit=3'],
    ['count, where the soft one is lower', 'count=1,bytes=-1=;countHardLimit=3'],
  ])('a hard limit of %s', (_, limits) => {
    const client = withQuota(limits);
    expect(client.err(create('/q/x'))).toBe(0);
    expect(client.err(create('/q/y'))).toBe(-125);
    expect(client.err(create('/q/c/y', { flags: 2 }))).toBe(-125);
    expect(client.err(setData('/q/x', 'as long as you like'))).toBe(0);
    client.get(remove('/q/x'));
    expect(client.err(create('/q/y'))).toBe(0);
  });

  test('a hard limit of bytes: creations, and the difference that setData makes', () => {
    const client = withQuota('count=-1,bytes=-1=;byteHardLimit=8');
    expect(client.err(create('/q/x', { data: '1234' }))).toBe(-125);
    expect(client.err(create('/q/x', { data: '123' }))).toBe(0);
    expect(client.err(setData('/q/x', 'abc'))).toBe(0); // no longer than before
    expect(client.err(setData('/q/x', 'abcd'))).toBe(-125);
    expect(client.err(setData('/q/x', ''))).toBe(0);
    expect(client.err(setData('/q/c', '123456'))).toBe(0);
    client.get(setData(LIMITS, 'count=-1,bytes=-1=;byteHardLimit=3'));
    expect(client.err(setData('/q/c', '12345'))).toBe(-125); // shrinks, and is still too much
    expect(client.err(setData('/q/c', '1'))).toBe(0);
  });

  test('the deepest prefix counts, by whole components', () => {
    const client = withQuota('count=-1,bytes=-1=;countHardLimit=2');
    client.get(create('/zookeeper/quota/q/c'));
    client.get(create('/zookeeper/quota/q/c/zookeeper_limits', { data: 'count=5,bytes=-1' }));
    expect(client.err(create('/q/c/x'))).toBe(0); // /q is full, but /q/c is nearer
    expect(client.err(create('/q/cc'))).toBe(-125);
    expect(client.err(create('/qq'))).toBe(0);
  });

  test('limits that do not parse: -5 for every guarded write', () => {
    const client = withQuota('nonsense');
    expect(client.err(create('/q/x'))).toBe(-5);
    expect(client.err(setData('/q', 'longer'))).toBe(-5);
    expect(client.err(remove('/q/c'))).toBe(0);
    client.get(setData(LIMITS, 'count=10,bytes=100'));
    expect(client.err(create('/q/x'))).toBe(0);
  });

  test('without its limits a prefix is free', () => {
    const client = withQuota('count=-1,bytes=-1=;countHardLimit=2');
    expect(client.err(create('/q/x'))).toBe(-125);
    client.get(remove(LIMITS));
    expect(client.err(create('/q/x'))).toBe(0);
  });

  test('without its statistics nothing is enforced', () => {
    const client = withQuota('count=-1,bytes=-1=;countHardLimit=2');
    client.get(remove(STATS));
    expect(client.err(create('/q/x'))).toBe(0);
    client.get(create(STATS));
    expect(client.err(create('/q/y'))).toBe(-125);
  });

  test('trap 43: no quota for the root', () => {
    const client = new TestServer(enforcing).client();
    expect(client.err(create('/zookeeper/quota/zookeeper_limits', { data: 'count=1,bytes=1' }))).toBe(-8);
    expect(client.err(create('/zookeeper/quota/zookeeper_limit', { flags: 2 }))).toBe(0);
    expect(client.err(create('/zookeeper/quota/zookeeper_stats', { data: 'garbage' }))).toBe(0);
    expect(client.err(create('/a'))).toBe(0);
  });
});
