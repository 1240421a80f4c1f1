/** The seam between requests and the rest of the replica. */
import type { Credentials } from '../auth/credentials.ts';
import type { Clock } from '../io/clock.ts';
import type { Log } from '../io/log.ts';
import type { World } from '../operations/operation.ts';
import type { Session } from '../sessions/session-table.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Instruments } from './instruments.ts';
import type { OrderSource } from './order.ts';
import type { Outputs } from './output.ts';

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
