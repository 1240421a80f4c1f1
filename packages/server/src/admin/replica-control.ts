/** What operators may do to a running replica. Waiting is done here, on this side: the replica knows no promises. */

import { resetMetrics } from '../metrics/registry.ts';
import type { Replica } from '../replica/replica.ts';
import type { Closing } from '../replica/session-life.ts';
import type { Snapshots } from '../replica/snapshots.ts';
import { hex64 } from './format.ts';
import type { ReplicaView } from './replica-view.ts';
import { LeadershipError, type ServerControl, SessionError, type SnapshotFile, UnknownSessionError } from './view.ts';

export interface ReplicaControlParts {
  readonly view: ReplicaView;
  replica(): Replica;
  /** Makes the replica take its next turn soon. */
  wake(): void;
  /** The bytes of a completed snapshot file, as they are. */
  readSnapshot(name: string): AsyncIterable<Uint8Array>;
  /** Puts another replica in place of this one, with the state of the snapshot; resolves with its last zxid. */
  restore(snapshot: AsyncIterable<Uint8Array>): Promise<number>;
}

/** Who has asked for a snapshot. */
interface Asking {
  readonly resolve: (file: SnapshotFile) => void;
  readonly reject: (error: Error) => void;
}

interface Waiter extends Asking {
  /** Those of the replica that writes it: it may be replaced. */
  readonly snapshots: Snapshots;
  /** Counted when the wait began, one of them goes up at its end. */
  readonly written: number;
  readonly failures: number;
  readonly abandoned: number;
}

interface Yielding {
  readonly resolve: (leaderId: number) => void;
  readonly reject: (error: Error) => void;
}

/** Who waits for the end of a session. */
interface Ending {
  readonly id: bigint;
  /** Where it was asked for: it may be replaced. */
  readonly replica: Replica;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const ENDS_NOT: Readonly<Record<Exclude<Closing, 'begun' | 'unknown'>, string>> = {
  upgrading: 'the session is just becoming a global one: ask again',
  noQuorum: 'there is no quorum, and so no session ends: ask again when there is a leader',
  diskFull: 'the disk of the log is full, and no session can be ended before there is space',
};

export class ReplicaControl implements ServerControl {
  readonly #parts: ReplicaControlParts;
  #waiting: Waiter[] = [];
  #yielding: Yielding[] = [];
  #ending: Ending[] = [];
  /** Asked for while another snapshot was being written: that one shows an older state. */
  #next: Asking[] = [];

  constructor(parts: ReplicaControlParts) {
    this.#parts = parts;
  }

  resetStatistics(): void {
    this.#parts.replica().statistics.reset();
    resetMetrics(this.#parts.view.metrics);
  }

  resetConnectionStatistics(): void {
    for (const client of this.#parts.replica().connections.values()) {
      client.statistics.reset();
    }
  }

  setTraceMask(mask: bigint): void {
    this.#parts.view.traceMask = mask;
  }

  takeSnapshot(): Promise<SnapshotFile> {
    return new Promise((resolve, reject) => {
      this.#next.push({ resolve, reject });
      this.#parts.wake();
    });
  }

  restore(snapshot: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#parts.restore(snapshot);
  }

  shedConnections(percentage: number): number {
    const clients = [...this.#parts.replica().connections.values()].filter((client) => client.phase === 'open');
    const count = Math.round((clients.length * percentage) / 100);
    for (const client of clients.slice(0, count)) {
      client.connection.close();
    }
    return count;
  }

  yieldLeadership(serverId: number | null): Promise<number> {
    const { member } = this.#parts.replica();
    if (member === null || member.peer.leader === null) {
      return Promise.reject(new LeadershipError('this server does not lead'));
    }
    if (serverId === member.peer.leaderId) {
      return Promise.reject(new LeadershipError('this server leads already'));
    }
    if (!member.handOver(serverId)) {
      const who = serverId === null ? 'no follower is' : `server ${serverId} is not a voter that is`;
      return Promise.reject(new LeadershipError(`${who} in step with this leader`));
    }
    this.#parts.wake();
    return new Promise((resolve, reject) => this.#yielding.push({ resolve, reject }));
  }

  closeSession(id: bigint): Promise<void> {
    const replica = this.#parts.replica();
    if (replica.member?.isHandingOver === true) {
      return Promise.reject(new SessionError('leadership is being handed over: ask again'));
    }
    const closing = replica.closeSession(id);
    if (closing === 'unknown') {
      const { localSessionsEnabled } = replica.options;
      const hint = localSessionsEnabled
        ? '; a local one is known only to the server that its client is connected to'
        : '';
      return Promise.reject(new UnknownSessionError(`there is no session ${hex64(id)}${hint}`));
    }
    if (closing !== 'begun') {
      return Promise.reject(new SessionError(ENDS_NOT[closing]));
    }
    this.#parts.wake();
    return new Promise((resolve, reject) => this.#ending.push({ id, replica, resolve, reject }));
  }

  /** Those who wait hear that the session is gone, or that its end went with a role of this server. */
  #considerEnding(): void {
    this.#ending = this.#ending.filter(({ id, replica, resolve, reject }) => {
      const session = replica.world.sessions.get(id);
      if (session === undefined) {
        resolve();
      } else if (!session.closing || replica !== this.#parts.replica()) {
        reject(new SessionError('this server serves no longer as it did, and the session may live on: ask again'));
      } else {
        return true;
      }
      return false;
    });
  }

  /** Those who have asked hear of the end: another leads, or it has come to nothing. */
  #considerYielding(): void {
    const { member } = this.#parts.replica();
    const leaderId = member?.peer.leaderId ?? null;
    if (this.#yielding.length === 0 || leaderId === null || member?.isHandingOver === true) {
      return;
    }
    const isHere = member?.peer.leadership !== null;
    for (const { resolve, reject } of this.#yielding.splice(0)) {
      if (isHere) {
        reject(new LeadershipError('leadership stays here: no follower kept up; the log says why'));
      } else {
        resolve(leaderId);
      }
    }
  }

  /** After each turn: starts the snapshots that were asked for, and tells those who wait. */
  afterTurn(): void {
    this.#considerYielding();
    this.#considerEnding();
    if (this.#waiting.length > 0) {
      this.#waiting = this.#waiting.filter((waiter) => !this.#answer(waiter));
    }
    const { snapshots } = this.#parts.replica();
    if (this.#next.length > 0 && !snapshots.writing) {
      this.#begin(snapshots);
    }
  }

  /** True: it has ended, for better or worse. */
  #answer({ snapshots, written, failures, abandoned, resolve, reject }: Waiter): boolean {
    const { last } = snapshots;
    if (snapshots.written > written && last !== null) {
      const { name, zxid, sizeBytes } = last;
      resolve({ lastZxid: zxid, sizeBytes, read: () => this.#parts.readSnapshot(name) });
    } else if (snapshots.failures > failures) {
      reject(new Error('the snapshot could not be written; the log says why'));
    } else if (snapshots.abandoned > abandoned || snapshots !== this.#parts.replica().snapshots) {
      reject(new Error('the snapshot was given up, for its tree was about to be another one: ask again'));
    } else {
      return false;
    }
    return true;
  }

  #begin(snapshots: Snapshots): void {
    const asking = this.#next;
    this.#next = [];
    const { written, failures, abandoned } = snapshots;
    snapshots.start();
    if (snapshots.writing) {
      this.#waiting.push(...asking.map((one) => ({ ...one, snapshots, written, failures, abandoned })));
      this.#parts.wake();
      return;
    }
    for (const { reject } of asking) {
      reject(new Error('this server is being given its tree by a leader: ask again'));
    }
  }
}
