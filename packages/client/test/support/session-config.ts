import type { SessionConfig } from '../../src/session/types.ts';

/** One server, and nothing left to chance. */
export const sessionConfig: SessionConfig = {
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
  replyBytesMax: 100_000,
  random: () => 0,
};
