/** The seam of the audit log: without one configured it is null, and a write costs one comparison. */
import type { InFlight } from './order.ts';

export interface WriteAudit {
  /** A write was applied, or refused: then its transaction is an error, or a multi that holds one. */
  written(entry: InFlight): void;
  /** The session has ended, and these nodes went with it. */
  ephemeralDeleted(sessionId: bigint, path: string): void;
}
