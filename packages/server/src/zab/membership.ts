/**
 * The configurations that count: the one in force, and the one that has been proposed, if any (quorum-protocol.md §9).
 */
import type { PeerAddresses } from '../io/peers.ts';
import { type Configuration, jointQuorum } from './configuration.ts';
import type { Environment } from './environment.ts';
import type { Quorum } from './quorum.ts';

export type MemberRole = 'voter' | 'observer' | 'stranger';

export class Membership {
  readonly #environment: Environment;
  #committed: Configuration;
  /** Null, or newer than the committed one. */
  #proposed: Configuration | null;
  #quorum: Quorum;

  constructor(environment: Environment, committed: Configuration, lastSeen: Configuration | null) {
    this.#environment = environment;
    this.#committed = committed;
    this.#proposed = lastSeen !== null && lastSeen.version > committed.version ? lastSeen : null;
    this.#quorum = jointQuorum(committed, this.#proposed);
    this.#tellPeers(true);
  }

  get committed(): Configuration {
    return this.#committed;
  }

  /** Null: there is none that is newer than the committed one. */
  get proposed(): Configuration | null {
    return this.#proposed;
  }

  /** The newest of all, in force or not: what NEWLEADER carries. */
  get lastSeen(): Configuration {
    return this.#proposed ?? this.#committed;
  }

  /** What suffices for whatever is decided now: a quorum of both, while there are two. */
  get quorum(): Quorum {
    return this.#quorum;
  }

  roleOf(serverId: number): MemberRole {
    const role = this.#committed.member(serverId)?.role;
    return role === undefined ? 'stranger' : role === 'observer' ? 'observer' : 'voter';
  }

  /**
   * Whether a server joins as an observer. Not when it is to vote by the proposed configuration: without its
   * acknowledgements that could never come into force, nor anything else.
   */
  observes(serverId: number): boolean {
    return this.roleOf(serverId) === 'observer' && this.#proposed?.isVoter(serverId) !== true;
  }

  /** A configuration may come into force; without effect unless it is newer than all before. */
  propose(configuration: Configuration): void {
    if (configuration.version <= this.lastSeen.version) {
      return;
    }
    this.#proposed = configuration;
    this.#quorum = jointQuorum(this.#committed, configuration);
    this.#environment.service.configProposed(configuration);
    this.#tellPeers(false);
  }

  /**
   * This is the last configuration that the leader knows, after its history has become this server's: what else was
   * proposed here is not in that history, and will never come into force.
   */
  learn(configuration: Configuration): void {
    if (this.#proposed !== null && this.#proposed.version > configuration.version) {
      this.#proposed = null;
      this.#quorum = this.#committed;
      this.#environment.service.configProposed(this.#committed);
      this.#tellPeers(false);
    }
    this.propose(configuration);
  }

  /** A configuration is in force. False when it is known already, or older than what is in force. */
  activate(configuration: Configuration): boolean {
    const before = this.#committed;
    if (configuration.version <= before.version) {
      return false;
    }
    this.#committed = configuration;
    if (this.#proposed !== null && this.#proposed.version <= configuration.version) {
      this.#proposed = null;
    }
    this.#quorum = jointQuorum(configuration, this.#proposed);
    this.#environment.service.configured(configuration);
    this.#tellPeers(!configuration.hasSameMembers(before));
    return true;
  }

  /** The committed addresses first: they are the ones that are known to be right. */
  #tellPeers(restart: boolean): void {
    const known = new Map([...this.lastSeen.members, ...this.#committed.members].map((member) => [member.id, member]));
    const members: PeerAddresses[] = [...known.values()].map(({ id, addresses }) => ({
      serverId: id,
      quorum: addresses.map(({ host, quorumPort }) => ({ host, port: quorumPort })),
      election: addresses.map(({ host, electionPort }) => ({ host, port: electionPort })),
    }));
    this.#environment.peers.setMembers(members, restart);
  }
}

/** Whether a server is found at the same quorum addresses in both. */
export function hasSameQuorumAddress(serverId: number, one: Configuration, other: Configuration): boolean {
  const placeIn = (configuration: Configuration) =>
    configuration
      .member(serverId)
      ?.addresses.map(({ host, quorumPort }) => `${host} ${quorumPort}`)
      .sort()
      .join();
  return placeIn(one) === placeIn(other);
}
