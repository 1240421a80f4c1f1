/** Which configuration a reconfig request asks for, and whether it may be proposed (quorum-protocol.md §9.1). */
import { ErrorNumber, type ReconfigRequest } from '@treekeeper/protocol';
import type { Reconfiguration } from '../operations/operation.ts';
import { Configuration, ConfigurationFault } from '../zab/configuration.ts';
import { type Member, MemberFault, parseMember } from '../zab/members.ts';
import type { Membership } from '../zab/membership.ts';

export interface ReconfigurationRules {
  /** Fewer participants are refused: 2, or 1 with standaloneEnabled=false. */
  readonly votersMin: number;
  /** A member may have several addresses. */
  readonly multiAddressEnabled: boolean;
}

export const RECONFIGURATION_DEFAULTS: ReconfigurationRules = { votersMin: 2, multiAddressEnabled: false };

/** The leader, as far as it has a say in who may join. */
export interface Reach {
  /** Whether the servers that are connected and in step are a quorum of it. */
  canReach(configuration: Configuration): boolean;
}

const ANY_VERSION = -1n;
const SERVER_ID_MAX = 255;
/** Every server has these: who shares them is not found at the same place. */
const SHARED_HOST = /^(0\.0\.0\.0|::|0:0:0:0:0:0:0:0|127\.\d+\.\d+\.\d+|::1|0:0:0:0:0:0:0:1|localhost)$/i;

/** The request does not say which servers there shall be: with this error. */
class Refusal extends Error {
  readonly errorNumber: number;

  constructor(errorNumber: number) {
    super();
    this.errorNumber = errorNumber;
  }
}

export class MemberReconfiguration implements Reconfiguration {
  readonly #rules: ReconfigurationRules;
  readonly #membership: Membership;
  readonly #reach: Reach;

  constructor(rules: ReconfigurationRules, membership: Membership, reach: Reach) {
    this.#rules = rules;
    this.#membership = membership;
    this.#reach = reach;
  }

  next(request: ReconfigRequest, zxid: number): string | number {
    const { committed, proposed } = this.#membership;
    if (proposed !== null) {
      return ErrorNumber.RECONFIG_IN_PROGRESS;
    }
    if (request.curConfigId !== ANY_VERSION && request.curConfigId !== BigInt(committed.version)) {
      return ErrorNumber.BAD_VERSION;
    }
    try {
      const next = this.#asked(request, committed).withVersion(zxid);
      this.#check(next);
      return this.#reach.canReach(next) ? next.text : ErrorNumber.NEW_CONFIG_NO_QUORUM;
    } catch (error) {
      if (error instanceof Refusal) {
        return error.errorNumber;
      }
      if (error instanceof ConfigurationFault || error instanceof MemberFault) {
        return ErrorNumber.BAD_ARGUMENTS;
      }
      throw error;
    }
  }

  #asked({ newMembers, joiningServers, leavingServers }: ReconfigRequest, committed: Configuration): Configuration {
    if (newMembers !== null) {
      return Configuration.parse(newMembers.replaceAll(',', '\n'));
    }
    const joining = listed(joiningServers).map(parseJoining);
    const leaving = listed(leavingServers).map(parseLeaving);
    if (committed.groups.size > 0 && joining.length + leaving.length > 0) {
      throw new Refusal(ErrorNumber.BAD_ARGUMENTS); // nothing says which group they belong to
    }
    const members = new Map(committed.members.map((member) => [member.id, member]));
    for (const id of leaving) {
      members.delete(id);
    }
    for (const member of joining) {
      members.set(member.id, member);
    }
    const { groups, weights } = committed;
    return new Configuration({ members: [...members.values()], groups, weights });
  }

  #check({ members, voters }: Configuration): void {
    const taken = new Set<string>();
    for (const member of members) {
      const isAddressed = member.addresses.length === 1 || this.#rules.multiAddressEnabled;
      const isClash = placesOf(member).some((place) => taken.has(place));
      if (!isAddressed || isClash || member.id < 1 || member.id > SERVER_ID_MAX) {
        throw new Refusal(ErrorNumber.BAD_ARGUMENTS);
      }
      for (const place of placesOf(member)) {
        taken.add(place);
      }
    }
    if (voters.length < this.#rules.votersMin) {
      throw new Refusal(ErrorNumber.BAD_ARGUMENTS);
    }
  }
}

function listed(text: string | null): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `server.4=host:2888:3888;2181`: clients must find it, so that its client port has to be said. */
function parseJoining(text: string): Member {
  const [, id, line] = /^server\.(\d{1,9})\s*=\s*(.*)$/s.exec(text) ?? [];
  if (line === undefined) {
    throw new Refusal(ErrorNumber.BAD_ARGUMENTS);
  }
  const member = parseMember(Number(id), line);
  if (member.client === null && member.secureClient === null) {
    throw new Refusal(ErrorNumber.BAD_ARGUMENTS);
  }
  return member;
}

function parseLeaving(text: string): number {
  if (!/^[+-]?\d{1,19}$/.test(text)) {
    throw new Refusal(ErrorNumber.MARSHALLING_ERROR); // as Apache ZooKeeper answers it
  }
  return Number(text);
}

/** Where nobody else may be. */
function placesOf({ addresses, client, secureClient }: Member): string[] {
  const endpoints = [client, secureClient].filter((endpoint) => endpoint !== null);
  const ports = addresses.flatMap(({ host, quorumPort, electionPort }) => [
    { host, port: quorumPort },
    { host, port: electionPort },
  ]);
  return [...ports, ...endpoints]
    .filter(({ host }) => !SHARED_HOST.test(host))
    .map(({ host, port }) => `${host} ${port}`);
}
