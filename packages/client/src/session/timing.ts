/** What follows from the session's timeout (client-protocol.md §14). */
import { limits } from '../limits.ts';

/** When nothing was sent for so long, a ping is. */
export function pingIntervalMs(timeoutMs: number): number {
  return Math.min(timeoutMs / 3, limits.pingIntervalMaxMs);
}

/** When nothing was heard for so long, another server is looked for: in time to find it before the session ends. */
export function readTimeoutMs(timeoutMs: number): number {
  return (timeoutMs * 2) / 3;
}

/** When no server was heard for so long, they must have ended the session. */
export function ownExpiryMs(timeoutMs: number): number {
  return (timeoutMs * 4) / 3;
}
