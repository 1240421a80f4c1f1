import { expect, test } from 'vitest';
import { Driver } from '../src/driver.ts';
import type { SessionConfig } from '../src/session/types.ts';

const session: SessionConfig = {
  hosts: [{ host: 'a', port: 1 }],
  shuffle: false,
  sessionTimeoutMs: 30_000,
  readOnly: false,
  session: null,
  onExpired: 'close',
  expireByOwnClock: false,
  sasl: false,
  inFlightMax: 1000,
  queuedMax: 1000,
  requestBytesMax: 1000,
  replyBytesMax: 1000,
  random: () => 0,
};

test.each([
  ['of the call', 30_000, { timeoutMs: 100 }],
  ['of all calls', 100, undefined],
])(
  'a short deadline %s begins with the call, however long the program has been at work',
  (_, requestTimeoutMs, options) => {
    const unreachable = (): never => expect.unreachable();
    const transport = { connect: unreachable };
    const driver = new Driver({
      session,
      requestTimeoutMs,
      acl: [],
      retry: {},
      transport,
      resolver: unreachable,
      sasl: null,
    });
    driver.terms(); // a stretch of work begins
    const began = performance.now();
    while (performance.now() < began + 5) {
      // at work
    }
    const nowMs = performance.now();
    expect(driver.terms(options).deadlineMs).toBeGreaterThanOrEqual(nowMs + 100);
  },
);
