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

/** Attempts that fit into a session's timeout, however few servers there are. */
const ATTEMPTS_MIN = 3;

/**
 * How long one server may take for an attempt, its share of the timeout. An only server does not get all of it, as it
 * does in ZooKeeper's clients: one that has accepted a connection and forgets it, as Apache's may while it starts,
 * would cost the session.
 */
export function attemptTimeoutMs(timeoutMs: number, servers: number): number {
  return Math.max(limits.attemptTimeoutMinMs, timeoutMs / Math.max(ATTEMPTS_MIN, servers));
}
