/** What an ensemble needs, and what it would come to regret (quorum-protocol.md §1). */
import type { Member } from '../zab/members.ts';
import { COMMITTED_LOG_TXNS_MIN } from './compose.ts';
import type { Notice, Origin } from './config-error.ts';
import type { Values } from './effective-values.ts';
import type { Membership } from './membership.ts';
import type { ServerConfig } from './server-config.ts';

interface Parts {
  readonly config: ServerConfig;
  readonly values: Values;
  readonly membership: Membership;
  readonly faults: Notice[];
  readonly warnings: Notice[];
}

/** Finds all there is, not only the first. */
export function checkEnsemble(parts: Parts): void {
  const check = new EnsembleChecker(parts);
  check.roles();
  check.quorumSasl();
  if (!parts.membership.isEnsemble) {
    check.lonelyLine();
    return;
  }
  check.ticks();
  check.settings();
  if (parts.membership.configuration !== null) {
    check.serverId();
    check.addresses();
    check.size();
    check.peerType();
  }
}

/** Who wants a port, and for what. */
interface Claim {
  readonly member: Member;
  readonly use: string;
}

class EnsembleChecker {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `key` is a key of zoo.cfg, or a line wherever it stands. */
  #notice(key: string, message: string): Notice {
    const { membership, values, config } = this.#parts;
    const setting = membership.settings.find(({ name }) => name === key) ?? values.setting(key);
    if (setting !== undefined) {
      return { origin: setting.origin, key, message };
    }
    const { file } = config.source;
    const origin: Origin = file === null ? { kind: 'default' } : { kind: 'file', file, line: 0 };
    return { origin, key, message };
  }

  #fault(key: string, message: string): void {
    this.#parts.faults.push(this.#notice(key, message));
  }

  #warn(key: string, message: string): void {
    this.#parts.warnings.push(this.#notice(key, message));
  }

  get #voters(): readonly Member[] {
    return this.#parts.membership.members.filter(({ role }) => role === 'participant');
  }

  /** Observers observe somebody. */
  roles(): void {
    const observer = this.#parts.membership.members.find(({ role }) => role === 'observer');
    if (observer === undefined || this.#voters.length > 1) {
      return;
    }
    const { values } = this.#parts;
    if (this.#voters.length === 0) {
      this.#fault(lineOf(observer), 'there are observers, but no participant: at least one server must vote');
    } else if (values.boolean('standaloneEnabled')) {
      const message =
        'there are observers, but only one participant, which makes a standalone server: name another participant, or ' +
        'set standaloneEnabled=false for an ensemble of one';
      this.#fault(lineOf(observer), message);
    }
  }

  /** A single server line that stands for a standalone server. */
  lonelyLine(): void {
    const { members, serverId } = this.#parts.membership;
    if (members.length === 1 && serverId !== null && serverId !== members[0].id) {
      const line = lineOf(members[0]);
      this.#warn(line, `${line} is not about this server, whose myid is ${serverId}; its client port is not used`);
    }
  }

  serverId(): void {
    const { members, serverId, serverIdFile, settings } = this.#parts.membership;
    if (serverIdFile === null) {
      return; // dataDir is missing, or myid is wrong: that has been said
    }
    const ids = members.map(({ id }) => id);
    const fault = (line: number, message: string): void => {
      this.#parts.faults.push({ origin: { kind: 'file', file: serverIdFile, line }, key: null, message });
    };
    if (serverId === null) {
      const message =
        `there is no such file. It says which of the servers ${ids.join(', ')} this one is: ` +
        `echo ${ids[0]} > ${serverIdFile} (on each server its own number)`;
      fault(0, message);
    } else if (!ids.includes(serverId)) {
      const { origin } = settings[0];
      const where = origin.kind === 'file' ? ` in ${origin.file}` : '';
      const message =
        `server ${serverId} is none of the servers ${ids.join(', ')} that are named${where}: correct the number, or ` +
        `add a line server.${serverId}. A server that has been removed from its ensemble must be added again first`;
      fault(1, message);
    }
  }

  /** Each port of a host is for one thing. */
  addresses(): void {
    const taken = new Map<string, Claim>();
    const { members, serverId } = this.#parts.membership;
    for (const member of members) {
      for (const { use, place } of placesOf(member, member.id === serverId)) {
        const other = taken.get(place);
        if (other === undefined) {
          taken.set(place, { member, use });
          continue;
        }
        const whose = other.member === member ? `its ${other.use}` : `the ${other.use} of ${lineOf(other.member)}`;
        this.#fault(lineOf(member), `${lineOf(member)}: its ${use} ${place} is ${whose} as well`);
      }
    }
  }

  ticks(): void {
    for (const [key, example, meaning] of [
      ['initLimit', 10, 'the ticks that a server may take to connect to the leader and catch up'],
      ['syncLimit', 5, 'the ticks that a server may be silent'],
    ] as const) {
      const value = this.#parts.values.number(key);
      if (!this.#parts.values.isSet(key)) {
        this.#fault(key, `${key} is not set; an ensemble needs it: ${meaning}, for example ${key}=${example}`);
      } else if (value === 0) {
        this.#fault(key, `${key}=0: ${meaning}, at least 1; for example ${key}=${example}`);
      }
    }
  }

  size(): void {
    const { groups, members } = this.#parts.membership;
    const count = this.#voters.length;
    if (groups.size > 0 || count % 2 === 1) {
      return;
    }
    const line = lineOf(this.#voters[count - 1] ?? members[0]);
    if (count === 2) {
      const message =
        'there are two participants: when one of them is down, the other stands still, which is less than one server ' +
        'alone offers. Three tolerate the loss of one';
      this.#warn(line, message);
    } else if (count > 2) {
      const message =
        `there are ${count} participants: they tolerate the loss of ${count / 2 - 1}, as ${count - 1} would, and every ` +
        `write waits for ${count / 2 + 1} of them instead of ${count / 2}. Take an odd number, or make one an observer`;
      this.#warn(line, message);
    }
  }

  /** The server line counts. */
  peerType(): void {
    const { membership, values } = this.#parts;
    const own = membership.members.find(({ id }) => id === membership.serverId);
    const said = values.text('peerType');
    if (own !== undefined && values.isSet('peerType') && said !== own.role) {
      this.#warn('peerType', `peerType=${said}, but ${lineOf(own)} makes this server a ${own.role}, which counts`);
    }
  }

  quorumSasl(): void {
    const { values, membership } = this.#parts;
    const enabled = values.boolean('quorum.auth.enableSasl');
    const server = values.boolean('quorum.auth.serverRequireSasl');
    const learner = values.boolean('quorum.auth.learnerRequireSasl');
    const needs = (key: string, other: string): void => this.#fault(key, `${key}=true needs ${other}=true`);
    if (server && !enabled) {
      needs('quorum.auth.serverRequireSasl', 'quorum.auth.enableSasl');
    }
    if (learner && !enabled) {
      needs('quorum.auth.learnerRequireSasl', 'quorum.auth.enableSasl');
    }
    if (server && !learner) {
      needs('quorum.auth.serverRequireSasl', 'quorum.auth.learnerRequireSasl');
    }
    if (enabled && membership.isEnsemble && this.#parts.config.sasl.jaasFile === null) {
      const message =
        'quorum.auth.enableSasl=true needs java.security.auth.login.config, the JAAS file with the sections ' +
        `${values.text('quorum.auth.server.saslLoginContext')} and ` +
        `${values.text('quorum.auth.learner.saslLoginContext')}`;
      this.#fault('quorum.auth.enableSasl', message);
    }
  }

  settings(): void {
    const { values } = this.#parts;
    const committed = values.number('commitLogCount');
    if (committed !== null && committed < COMMITTED_LOG_TXNS_MIN) {
      this.#warn('commitLogCount', `commitLogCount=${committed} is too few; ${COMMITTED_LOG_TXNS_MIN} are kept`);
    }
    if (values.isSet('oraclePath')) {
      const message = 'oraclePath has no effect: no failure detector is asked here, two servers need both to go on';
      this.#warn('oraclePath', message);
    }
    const shortest = values.number('fastleader.minNotificationInterval') ?? 0;
    const longest = values.number('fastleader.maxNotificationInterval') ?? 0;
    if (shortest > longest) {
      const message = `fastleader.minNotificationInterval, ${shortest} ms, is larger than maxNotificationInterval, ${longest} ms`;
      this.#fault('fastleader.minNotificationInterval', message);
    }
  }
}

function lineOf({ id }: Member): string {
  return `server.${id}`;
}

/** Of a member; its places for clients only when it is this server, for elsewhere they are the business of others. */
function* placesOf(member: Member, isOwn: boolean): Iterable<{ readonly use: string; readonly place: string }> {
  for (const { host, quorumPort, electionPort } of member.addresses) {
    yield { use: 'quorum port', place: placeOf(host, quorumPort) };
    yield { use: 'election port', place: placeOf(host, electionPort) };
  }
  if (!isOwn) {
    return;
  }
  for (const { host } of member.addresses) {
    for (const [use, client] of Object.entries({ 'client port': member.client, 'TLS port': member.secureClient })) {
      if (client !== null && client.port !== 0) {
        yield {
          use,
          place: placeOf(client.host === '0.0.0.0' || client.host === '::' ? host : client.host, client.port),
        };
      }
    }
  }
}

function placeOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host.toLowerCase()}:${port}`;
}
