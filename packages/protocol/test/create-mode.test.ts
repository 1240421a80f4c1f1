import {
  CONTAINER_OWNER,
  CREATE_MODE_MAX,
  CreateMode,
  isEphemeralMode,
  isSequentialMode,
  isTtlMode,
  ownerKind,
  TTL_MS_MAX,
  ttlOfOwner,
  ttlOwner,
} from '@treekeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

test('modes by their numbers', () => {
  const table = Object.entries(CreateMode).map(([name, flags]) => [
    flags,
    name,
    ...[
      isEphemeralMode(flags) && 'ephemeral',
      isSequentialMode(flags) && 'sequential',
      isTtlMode(flags) && 'ttl',
    ].filter(Boolean),
  ]);
  expect(table).toEqual([
    [0, 'persistent'],
    [1, 'ephemeral', 'ephemeral'],
    [2, 'persistentSequential', 'sequential'],
    [3, 'ephemeralSequential', 'ephemeral', 'sequential'],
    [4, 'container'],
    [5, 'persistentWithTtl', 'ttl'],
    [6, 'persistentSequentialWithTtl', 'sequential', 'ttl'],
  ]);
  expect(CREATE_MODE_MAX).toBe(6);
});

describe('owners', () => {
  const off = { extendedTypesEnabled: false, emulate353TtlNodes: false };
  const extended = { extendedTypesEnabled: true, emulate353TtlNodes: false };
  const emulating = { extendedTypesEnabled: true, emulate353TtlNodes: true };
  const emulatingOnly = { extendedTypesEnabled: false, emulate353TtlNodes: true };
  const signed = (owner: bigint) => BigInt.asIntN(64, owner);

  test.each([
    ['none', 0n, ['persistent', 'persistent', 'persistent', 'persistent']],
    ['container', 0x8000000000000000n, ['container', 'container', 'container', 'container']],
    ['a session', 0x100003cdd190000n, ['ephemeral', 'ephemeral', 'ephemeral', 'ephemeral']],
    ['a session of server 254', 0xfe00000000000001n, ['ephemeral', 'ephemeral', 'ttl', 'ephemeral']],
    ['TTL', 0xff000000000003e8n, ['ephemeral', 'ttl', 'ttl', 'ephemeral']],
    ['TTL of 3.5.3', 0x80000000000003e8n, ['ephemeral', 'ephemeral', 'ttl', 'ephemeral']],
    ['feature bits that nobody sets', 0xff00010000000001n, ['ephemeral', 'ephemeral', 'ttl', 'ephemeral']],
  ])('%s', (_name, owner, kinds) => {
    expect([off, extended, emulating, emulatingOnly].map((rules) => ownerKind(signed(owner), rules))).toEqual(kinds);
  });

  test('the container’s is the smallest long', () => {
    expect(CONTAINER_OWNER).toBe(-(2n ** 63n));
  });

  test('a time to live comes back out of its owner', () => {
    expect(TTL_MS_MAX).toBe(2n ** 40n - 1n);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: TTL_MS_MAX }), (ttlMs) => {
        expect(ttlOwner(ttlMs)).toBe(signed(0xff00000000000000n + ttlMs));
        expect(ttlOfOwner(ttlOwner(ttlMs))).toBe(Number(ttlMs));
        expect(ownerKind(ttlOwner(ttlMs), extended)).toBe('ttl');
      }),
    );
  });
});
