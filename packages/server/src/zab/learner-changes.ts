/** Changes of membership, as a learner takes part in them (quorum-protocol.md §9). */
import { counterOf, epochOf } from '@treekeeper/protocol';
import type { Configuration } from './configuration.ts';
import type { Service } from './environment.ts';
import { hasSameQuorumAddress, type Membership } from './membership.ts';
import type { ZabOptions } from './options.ts';

export class LearnerChanges {
  readonly #options: ZabOptions;
  readonly #service: Service;
  readonly #membership: Membership;
  readonly #leaderId: number;
  /** How this server has joined. */
  readonly #isObserver: boolean;

  constructor(options: ZabOptions, service: Service, membership: Membership, leaderId: number) {
    this.#options = options;
    this.#service = service;
    this.#membership = membership;
    this.#leaderId = leaderId;
    this.#isObserver = membership.observes(options.serverId);
  }

  /** Takes note of the configuration that a transaction proposes, if that is what it does. */
  consider(payload: Uint8Array): void {
    const configuration = this.#options.reconfigEnabled ? this.#service.configurationIn(payload) : null;
    if (configuration !== null) {
      this.#membership.propose(configuration);
    }
  }

  /**
   * The transaction has committed the configuration that was proposed, and `successor` leads from now on. True when this
   * server has to leave its leader because of that.
   */
  activate(zxid: number, successor: number): boolean {
    const { proposed } = this.#membership;
    if (proposed === null || proposed.version !== zxid) {
      return false;
    }
    this.#membership.activate(proposed);
    return successor !== this.#leaderId || this.#hasOtherRole;
  }

  /**
   * UPTODATE: what NEWLEADER brought is in force; null: nothing. True when this server has to leave its leader.
   *
   * NEWLEADER carries what was proposed last. If that was in this epoch, and is not committed, it is not in force, and
   * may never be. (Apache ZooKeeper takes it to be in force, and tells others so.)
   */
  activateLearnt(configuration: Configuration | null, epoch: number, committedThrough: number): boolean {
    const before = this.#membership.committed;
    const version = configuration?.version ?? 0;
    const isOpen = counterOf(version) > 0 && epochOf(version) === epoch && version > committedThrough;
    if (configuration === null || isOpen || !this.#membership.activate(configuration)) {
      return this.#hasOtherRole; // what was to make it a voter may have come to nothing
    }
    const id = this.#leaderId;
    return !configuration.isVoter(id) || !hasSameQuorumAddress(id, before, configuration) || this.#hasOtherRole;
  }

  get #hasOtherRole(): boolean {
    return this.#membership.observes(this.#options.serverId) !== this.#isObserver;
  }
}
