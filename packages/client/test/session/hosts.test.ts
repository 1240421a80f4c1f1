import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Hosts } from '../../src/session/hosts.ts';
import type { HostPort } from '../../src/session/types.ts';

const hostsOf = (names: Iterable<string>): HostPort[] => [...names].map((host) => ({ host, port: 1 }));

/** As many dice as needed, each as likely as the other: the same for every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return ((state >>> 8) % 65_536) / 65_536;
  };
}

describe('another list of servers', () => {
  /** Where many clients are that were spread evenly over the old list, as shares of the new one. */
  function spread(before: string, after: string): Map<string, number> {
    const clients = 12_000;
    const random = dice(7);
    const counts = new Map<string, number>();
    for (let i = 0; i < clients; i++) {
      const hosts = new Hosts(hostsOf(before), true, random);
      const current = hostsOf(before)[i % before.length] as HostPort;
      const { host } = hosts.replace(hostsOf(after), current) ? hosts.next() : current;
      counts.set(host, (counts.get(host) ?? 0) + 1 / clients);
    }
    return counts;
  }

  test.each([
    ['abc', 'abc'],
    ['abc', 'abcde'],
    ['abcde', 'abc'],
    ['abcde', 'abx'],
    ['abc', 'xyz'],
    ['abc', 'axyzu'],
    ['abcdef', 'abcxy'],
    ['a', 'ab'],
  ])('%s to %s: even before, even after', (before, after) => {
    const shares = spread(before, after);
    expect([...shares.keys()].sort()).toEqual([...after].sort());
    for (const share of shares.values()) {
      expect(Math.abs(share - 1 / after.length)).toBeLessThan(0.02);
    }
  });

  test('who need not move stays, and nobody stays at a server that is gone', () => {
    const names = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { minLength: 1 });
    fc.assert(
      fc.property(names, names, fc.nat(), fc.boolean(), fc.nat(), (before, after, at, shuffle, seed) => {
        const hosts = new Hosts(hostsOf(before), shuffle, dice(seed));
        const current = hostsOf(before)[at % before.length] as HostPort;
        const isLeaving = hosts.replace(hostsOf(after), current);
        const isKept = after.includes(current.host);
        expect(isLeaving || isKept).toBe(true);
        if (isLeaving && isKept) {
          expect(after.length).toBeGreaterThan(before.length);
          expect(before).not.toContain(hosts.peek().host); // only new servers draw clients away from others
        }
        expect(Array.from(after, () => hosts.next().host).sort()).toEqual([...after].sort());
      }),
    );
  });

  test('in the given order nobody moves for the balance', () => {
    const hosts = new Hosts(hostsOf('ab'), false, () => 0);
    expect(hosts.replace(hostsOf('abcdefgh'), { host: 'a', port: 1 })).toBe(false);
    expect(hosts.replace(hostsOf('cd'), { host: 'a', port: 1 })).toBe(true);
    expect(hosts.next().host).toBe('c');
    expect(hosts.replace(hostsOf('xy'), null)).toBe(false);
  });
});
