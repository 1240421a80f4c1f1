/**
 * The configuration of an ensemble: who belongs to it, and which of them suffice. Servers exchange it as text, which is
 * also the content of /zookeeper/config (quorum-protocol.md §1.1).
 */
import { parseJavaProperties, zxidHex } from '@treekeeper/protocol';
import { type Member, MemberFault, memberText, parseMember } from './members.ts';
import { HierarchicalQuorum, JointQuorum, MajorityQuorum, type Quorum } from './quorum.ts';

/** The text is no configuration; the message says what is wrong with it and where. */
export class ConfigurationFault extends Error {
  override readonly name = 'ConfigurationFault';
}

export interface ConfigurationParts {
  readonly members: readonly Member[];
  /** The members of each group; none: a majority decides. */
  readonly groups?: ReadonlyMap<number, readonly number[]>;
  /** Weights of votes, where they were set. Only with groups. */
  readonly weights?: ReadonlyMap<number, number>;
  /** The zxid of the transaction that it came with; 0: never changed. */
  readonly version?: number;
}

/** Immutable. */
export class Configuration implements Quorum {
  /** By rising id. */
  readonly members: readonly Member[];
  /** By rising id, and so are their members. Empty: a majority decides. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  /** Of every voter, by rising id; empty without groups. */
  readonly weights: ReadonlyMap<number, number>;
  readonly version: number;
  /** The ids of the participants. */
  readonly voters: readonly number[];
  readonly #byId: ReadonlyMap<number, Member>;
  readonly #quorum: Quorum;
  #text: string | null = null;

  /** @throws ConfigurationFault when these parts do not make an ensemble */
  constructor(parts: ConfigurationParts) {
    this.members = [...parts.members].sort((one, other) => byNumber(one.id, other.id));
    this.#byId = new Map(this.members.map((member) => [member.id, member]));
    this.version = parts.version ?? 0;
    this.voters = this.members.filter(({ role }) => role === 'participant').map(({ id }) => id);
    if (this.#byId.size < this.members.length) {
      throw new ConfigurationFault('a server stands in it twice');
    }
    if (this.voters.length === 0) {
      throw new ConfigurationFault('it has no participant: at least one server must vote');
    }
    this.groups = sortedGroups(parts.groups ?? new Map());
    this.weights = weightsOf(this.voters, this.groups, parts.weights ?? new Map());
    this.#quorum = this.groups.size === 0 ? new MajorityQuorum(this.voters) : this.#hierarchicalQuorum();
  }

  #hierarchicalQuorum(): Quorum {
    const groups = [...this.groups.values()].map(
      (group) => new Map(group.map((member) => [member, this.weights.get(member) ?? 0])),
    );
    try {
      return new HierarchicalQuorum(this.voters, groups);
    } catch (error) {
      if (!(error instanceof RangeError)) {
        throw error;
      }
      throw new ConfigurationFault(`with these groups and weights ${error.message}`);
    }
  }

  /**
   * Reads the text that servers exchange.
   *
   * @throws ConfigurationFault
   */
  static parse(text: string): Configuration {
    return parseConfiguration(text);
  }

  /**
   * As servers exchange it: a line for each member, then groups and weights, all by rising id, then the version in
   * hexadecimal digits without a line end.
   */
  get text(): string {
    this.#text ??= [...this.#lines()].join('\n');
    return this.#text;
  }

  *#lines(): Iterable<string> {
    yield* this.membershipLines();
    yield `version=${zxidHex(this.version)}`;
  }

  /** The lines of `text` without the version: what a dynamic configuration file holds. */
  *membershipLines(): Iterable<string> {
    for (const member of this.members) {
      yield `server.${member.id}=${memberText(member)}`;
    }
    for (const [group, members] of this.groups) {
      yield `group.${group}=${members.join(':')}`;
    }
    for (const [member, weight] of this.weights) {
      yield `weight.${member}=${weight}`;
    }
  }

  /** Undefined: not a member. */
  member(serverId: number): Member | undefined {
    return this.#byId.get(serverId);
  }

  isVoter(serverId: number): boolean {
    return this.#byId.get(serverId)?.role === 'participant';
  }

  /** Of a vote for this voter. */
  weightOf(voterId: number): number {
    return this.groups.size === 0 ? 1 : (this.weights.get(voterId) ?? 0);
  }

  /** The voters that may lead: nobody gives a vote, or leadership, to one whose own vote weighs nothing. */
  get electable(): readonly number[] {
    return this.groups.size === 0 ? this.voters : this.voters.filter((voter) => this.weightOf(voter) > 0);
  }

  hasQuorum(servers: ReadonlySet<number>): boolean {
    return this.#quorum.hasQuorum(servers);
  }

  committedThrough(ackedThrough: ReadonlyMap<number, number>): number {
    return this.#quorum.committedThrough(ackedThrough);
  }

  withVersion(version: number): Configuration {
    const { members, groups, weights } = this;
    return new Configuration({ members, groups, weights, version });
  }

  /** Whether both have the same members at the same places in the same roles: if not, elections start anew (§2.5). */
  hasSameMembers(other: Configuration): boolean {
    return this.members.map(placeOf).join('\n') === other.members.map(placeOf).join('\n');
  }
}

/**
 * The rule while two configurations count: what is committed, and what has been proposed with a higher version (§1.2).
 *
 * @param lastSeen null: there is none
 */
export function jointQuorum(committed: Configuration, lastSeen: Configuration | null): Quorum {
  const isNewer = lastSeen !== null && lastSeen.version > committed.version;
  return isNewer ? new JointQuorum([committed, lastSeen]) : committed;
}

function placeOf(member: Member): string {
  return `${member.id}=${memberText({ ...member, client: null, secureClient: null })}`;
}

function byNumber(one: number, other: number): number {
  return one - other;
}

function sortedGroups(groups: ReadonlyMap<number, readonly number[]>): Map<number, readonly number[]> {
  const ids = [...groups.keys()].sort(byNumber);
  return new Map(ids.map((id) => [id, [...(groups.get(id) ?? [])].sort(byNumber)]));
}

/** What was given, and 1 for voters of whom nothing was said. */
function weightsOf(
  voters: readonly number[],
  groups: ReadonlyMap<number, readonly number[]>,
  given: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  if (groups.size === 0) {
    if (given.size > 0) {
      throw new ConfigurationFault('it has weights and no groups: name the members of each group in a group line');
    }
    return given;
  }
  const groupOf = new Map<number, number>();
  for (const [group, members] of groups) {
    for (const member of members) {
      if (groupOf.has(member)) {
        throw new ConfigurationFault(`server ${member} is in group ${groupOf.get(member)} and in group ${group}`);
      }
      groupOf.set(member, group);
    }
  }
  const homeless = voters.find((voter) => !groupOf.has(voter));
  if (homeless !== undefined) {
    throw new ConfigurationFault(`server ${homeless} is in no group: with groups every participant must be in one`);
  }
  const stranger = [...groupOf.keys()].find((member) => !voters.includes(member) && !given.has(member));
  if (stranger !== undefined) {
    throw new ConfigurationFault(`group ${groupOf.get(stranger)} names server ${stranger}, which is no participant`);
  }
  const ids = [...new Set([...given.keys(), ...voters])].sort(byNumber);
  return new Map(ids.map((id) => [id, given.get(id) ?? 1]));
}

function parseConfiguration(text: string): Configuration {
  const { entries, faults } = parseJavaProperties(text);
  if (faults.length > 0) {
    throw new ConfigurationFault(`line ${faults[0].line}: ${faults[0].message}`);
  }
  const members = new Map<number, Member>();
  const groups = new Map<number, readonly number[]>();
  const weights = new Map<number, number>();
  let version = 0;
  for (const { key, value } of entries) {
    const [, kind, id] = /^(server|group|weight)\.(.*)$/s.exec(key) ?? [null, key, ''];
    if (kind === 'server') {
      members.set(numberOf(id, key), memberOf(numberOf(id, key), key, value));
    } else if (kind === 'group') {
      groups.set(
        numberOf(id, key),
        value.split(':').map((member) => numberOf(member, `${key}=${value}`)),
      );
    } else if (kind === 'weight') {
      weights.set(numberOf(id, key), numberOf(value, `${key}=${value}`));
    } else if (kind === 'version') {
      version = versionOf(value);
    } else {
      throw new ConfigurationFault(`${key} does not belong in it, only server, group, weight and version lines do`);
    }
  }
  return new Configuration({ members: [...members.values()], groups, weights, version });
}

function memberOf(id: number, key: string, value: string): Member {
  try {
    return parseMember(id, value);
  } catch (error) {
    if (!(error instanceof MemberFault)) {
      throw error;
    }
    throw new ConfigurationFault(`${key}=${value} ${error.message}`);
  }
}

function numberOf(text: string, where: string): number {
  const number = /^\s*\d{1,16}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw new ConfigurationFault(`${where}: '${text}' is not a number`);
  }
  return number;
}

/** A zxid in hexadecimal digits. */
function versionOf(text: string): number {
  const version = /^[0-9a-fA-F]{1,16}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
  if (!Number.isSafeInteger(version)) {
    throw new ConfigurationFault(`version=${text} is not a version: a zxid in hexadecimal digits, epoch below 2^21`);
  }
  return version;
}
