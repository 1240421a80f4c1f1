/** What requests are told, and what they need of the rest of the replica. */
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Log } from '../io/log.ts';
import type { World } from '../operations/operation.ts';
import type { Session } from '../sessions/session-table.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Instruments } from './instruments.ts';
import type { OrderSource } from './order.ts';
import type { Outputs } from './output.ts';

export interface RequestLimits {
  /** Requests of all connections that may be waiting; beyond it connections with waiting requests are not read. */
  readonly outstandingRequestsMax: number;
  /** Requests held back for longer than this are answered with THROTTLED_OP; 0: never. */
  readonly throttledAfterMs: number;
  /** Requests held back for longer than their session's timeout cost the connection. */
  readonly dropsStale: boolean;
  readonly fieldLengthBytesMax: number;
  /** What counts as a large request; −1: nothing does. */
  readonly largeRequestThresholdBytes: number;
  /** Sum of large requests in flight. */
  readonly largeRequestBytesMax: number;
}

/** What requests need of the rest of the replica. */
export interface RequestPorts {
  readonly world: World;
  readonly writes: OrderSource;
  readonly outputs: Outputs;
  readonly clock: Clock;
  readonly instruments: Instruments;
  readonly credentials: Credentials;
  readonly log: Log;
  /** The session has shown life. */
  touch(client: ClientConnection): void;
  /** A local session is to own ephemerals: makes it global first where that is allowed (§2.7). */
  upgradeSession(session: Session<ClientConnection>): void;
  /** Its connection is closed behind the answer. */
  closeLocalSession(session: Session<ClientConnection>): void;
  close(client: ClientConnection): void;
  pause(client: ClientConnection, reason: number): void;
  resume(client: ClientConnection, reason: number): void;
  /** The log takes nothing for now (full disk). */
  writesRefused(): boolean;
  /** There is no quorum: what needs one is refused. */
  readonly isReadOnly: boolean;
  /** So many bytes of answers to one connection leave before more of its requests are taken. */
  readonly replyBytesPause: number;
}
