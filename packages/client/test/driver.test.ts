import { expect, test } from 'vitest';
import { Driver } from '../src/driver.ts';
import { sessionConfig } from './support/session-config.ts';

test.each([
  ['of the call', 30_000, { timeoutMs: 100 }],
  ['of all calls', 100, undefined],
])(
  'a short deadline %s begins with the call, however long the program has been at work',
  (_, requestTimeoutMs, options) => {
    const unreachable = (): never => expect.unreachable();
    const transport = { connect: unreachable };
    const driver = new Driver({
      session: sessionConfig,
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
