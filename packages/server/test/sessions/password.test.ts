import { describe, expect, test } from 'vitest';
import { isSessionPassword, sessionPassword } from '../../src/sessions/password.ts';

describe('session passwords (client-protocol.md §2.5)', () => {
  // The first is the handshake sample of §1.2, the others were printed by java.util.Random.
  test.each([
    ['100001b5d920000', '1c2fbf8e79681f0e5afdc820ea03cdb9'],
    ['1', '054cc74a37327db215e702e20c73f005'],
    ['ffffffffffffffff', '20f62cb5648dc2d771471c8a2486a9ee'],
    ['7fffffffffffffff', '20f62cb5648dc2d771471c8a2486a9ee'],
    ['8000000000000001', '054cc74a37327db215e702e20c73f005'],
    ['b3415c00', '60b420bb3851d9d47acb933dbe70399b'],
    ['1000abcdef12345', 'e7702c0c2452d662998db73ba0a4f013'],
    ['fe123456789abcde', '76df775422cde0f155df0450aca37fd1'],
  ])('of session %s', (sessionId, password) => {
    const id = BigInt.asIntN(64, BigInt(`0x${sessionId}`));
    expect(Buffer.from(sessionPassword(id)).toString('hex')).toBe(password);
    expect(isSessionPassword(id, Buffer.from(password, 'hex'))).toBe(true);
  });

  test('anything else is refused', () => {
    const password = sessionPassword(7n);
    expect(isSessionPassword(8n, password)).toBe(false);
    expect(isSessionPassword(7n, null)).toBe(false);
    expect(isSessionPassword(7n, password.subarray(0, 15))).toBe(false);
    expect(isSessionPassword(7n, new Uint8Array([...password, 0]))).toBe(false);
    expect(
      isSessionPassword(
        7n,
        password.map((byte, i) => (i === 15 ? byte ^ 1 : byte)),
      ),
    ).toBe(false);
  });

  test('a resume of session 0 never matches', () => {
    expect(isSessionPassword(0n, sessionPassword(0n))).toBe(false);
    expect(isSessionPassword(0n, new Uint8Array(16))).toBe(false);
  });
});
