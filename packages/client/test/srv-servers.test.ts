import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Driver } from '../src/driver.ts';
import { followSrv } from '../src/srv-servers.ts';
import { StateFeed } from '../src/state-feed.ts';
import type { SrvRecord } from '../src/transport.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const recordsOf = (...names: string[]): SrvRecord[] => names.map((name) => ({ name, port: 2181 }));

test('asked again and again, and when the connection is lost; told when there is something new; over when closed', async () => {
  const states = new StateFeed('connected');
  const told: string[] = [];
  const setHosts: Driver['setHosts'] = (hosts) => void told.push(hosts.map(({ host }) => host).join());
  const answers: (SrvRecord[] | Error)[] = [
    recordsOf('b', 'a'), // the same in another order
    new Error('no name server answers'),
    [],
    recordsOf('a', 'c'),
    recordsOf('d'),
  ];
  const resolve = async (): Promise<SrvRecord[]> => {
    const answer = answers.shift() ?? [];
    if (answer instanceof Error) {
      throw answer;
    }
    return answer;
  };
  const settings = { name: 'zk.example.com', refreshMs: 1000, resolve };
  const first = recordsOf('a', 'b').map(({ name: host, port }) => ({ host, port }));
  followSrv({ states, setHosts } as Driver, settings, first);
  await vi.advanceTimersByTimeAsync(3000);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['a,c']);
  states.push('disconnected', null);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(['a,c', 'd']);
  states.push('closed', null);
  answers.push(recordsOf('e'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(answers).toHaveLength(1); // nobody has asked
});

test('while an answer is awaited, nobody asks again', async () => {
  const states = new StateFeed('connected');
  let asked = 0;
  const resolve = (): Promise<SrvRecord[]> => {
    asked++;
    return new Promise(() => undefined);
  };
  followSrv({ states } as Driver, { name: 'x', refreshMs: 1000, resolve }, []);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toBe(1);
});
