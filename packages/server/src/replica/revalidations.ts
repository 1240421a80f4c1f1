/** Clients that have come to a learner with a session, until the leader has said whether it is alive (§7.3). */
import type { SessionTable } from '../sessions/session-table.ts';
import { type ClientConnection, PauseReason } from './client-connection.ts';
import type { Connections } from './connections.ts';
import type { Handshake } from './handshake.ts';
import type { SessionLife } from './session-life.ts';

export interface RevalidationPorts {
  readonly table: SessionTable<ClientConnection>;
  readonly sessions: SessionLife;
  readonly handshake: Handshake;
  readonly connections: Connections;
  /** Asks the leader. */
  revalidate(sessionId: bigint, timeoutMs: number): void;
}

interface Asking {
  readonly client: ClientConnection;
  readonly timeoutMs: number;
}

export class Revalidations {
  readonly #ports: RevalidationPorts;
  /** Answers name the session, and those of one session come in order. */
  readonly #asking = new Map<bigint, Asking[]>();

  constructor(ports: RevalidationPorts) {
    this.#ports = ports;
  }

  ask(client: ClientConnection, sessionId: bigint, timeoutMs: number): void {
    const { connections } = this.#ports;
    client.phase = 'opening';
    client.sessionId = sessionId;
    connections.shookHands(client);
    connections.pause(client, PauseReason.opening); // what is pipelined behind the handshake waits for its answer
    const others = this.#asking.get(sessionId);
    if (others === undefined) {
      this.#asking.set(sessionId, [{ client, timeoutMs }]);
    } else {
      others.push({ client, timeoutMs });
    }
    this.#ports.revalidate(sessionId, timeoutMs);
  }

  /** The leader's answer to the oldest question about the session. */
  answered(sessionId: bigint, valid: boolean): void {
    const asking = this.#asking.get(sessionId);
    const oldest = asking?.shift();
    if (asking === undefined || oldest === undefined) {
      return;
    }
    if (asking.length === 0) {
      this.#asking.delete(sessionId);
    }
    const { client, timeoutMs } = oldest;
    const { table, sessions, handshake, connections } = this.#ports;
    if (client.gone || client.phase !== 'opening') {
      return;
    }
    if (!valid || asking.length > 0) {
      // Of two connections that ask for one session the later has it: the earlier is cut off without a word.
      if (valid) {
        connections.close(client);
      } else {
        handshake.refuse(client);
      }
      return;
    }
    // Its createSession may not have been applied here yet: the leader vouches for the session.
    const session = table.expect(sessionId, timeoutMs);
    if (session.owner !== null) {
      connections.close(session.owner);
    }
    sessions.attach(client, session, timeoutMs);
    handshake.opened(client, sessionId, timeoutMs);
    connections.resume(client, PauseReason.opening);
  }
}
