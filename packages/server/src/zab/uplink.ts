/**
 * Requests on their way from a learner to its leader, its own clients' and those of observers that it serves, and whose
 * the answers are: the leader answers syncs, and questions about one session, in the order in which they came
 * (quorum-protocol.md §7.5, §8).
 */
import { OpCode } from '@treekeeper/protocol';
import type { Forwarded, Service } from './environment.ts';
import type { LeaderLink } from './leader-link.ts';
import type { LearnerLink } from './learner-link.ts';
import { writeRequest, writeRevalidate, writeRevalidated } from './packets.ts';

/** Null: this server's own clients. */
export type Origin = LearnerLink | null;

interface Question {
  readonly origin: Origin;
  readonly timeoutMs: number;
}

export class Uplink {
  readonly #link: LeaderLink;
  readonly #service: Service;
  readonly #syncs: Origin[] = [];
  readonly #revalidations = new Map<bigint, Question[]>();

  constructor(link: LeaderLink, service: Service) {
    this.#link = link;
    this.#service = service;
  }

  request(origin: Origin, request: Forwarded): void {
    if (request.type === OpCode.sync) {
      this.#syncs.push(origin);
    }
    writeRequest(this.#link.output, request);
  }

  /**
   * Asks the leader about a session whose client has come to `origin`. To the leader it is here from the moment in which
   * it is asked: what comes for it from elsewhere after that is late, and must not be taken for what comes from here.
   */
  revalidate(origin: Origin, sessionId: bigint, timeoutMs: number): void {
    this.#service.takenElsewhere(sessionId);
    this.#service.homes.claim(origin ?? this, sessionId);
    const asking = this.#revalidations.get(sessionId);
    const question: Question = { origin, timeoutMs };
    if (asking === undefined) {
      this.#revalidations.set(sessionId, [question]);
    } else {
      asking.push(question);
    }
    writeRevalidate(this.#link.output, sessionId, timeoutMs);
  }

  /** SYNC: the oldest is done. */
  synced(): void {
    const origin = this.#syncs.shift();
    if (origin === null) {
      this.#service.syncDone();
    } else {
      origin?.syncDone();
    }
  }

  /** The leader's answer to the oldest question about a session. */
  revalidated(sessionId: bigint, valid: boolean): void {
    const asking = this.#revalidations.get(sessionId);
    const question = asking?.shift();
    if (asking === undefined || question === undefined) {
      return;
    }
    const isLast = asking.length === 0;
    if (isLast) {
      this.#revalidations.delete(sessionId);
    }
    const { origin, timeoutMs } = question;
    if (valid && isLast) {
      this.#service.homes.moveTo(origin ?? this, sessionId, timeoutMs);
    }
    if (origin === null) {
      this.#service.revalidated(sessionId, valid);
    } else {
      if (valid) {
        this.#service.takenElsewhere(sessionId);
      }
      writeRevalidated(origin.output, -1, sessionId, valid);
    }
  }
}
