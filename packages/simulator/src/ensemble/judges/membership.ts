/**
 * Who belongs to the ensemble, by the transactions that change it: each makes what was asked of the members before it,
 * and is committed by a quorum of those and of the new ones (quorum-protocol.md §9).
 */
import { Configuration } from '@treekeeper/server/internal';
import { check } from '../../checkers/violation.ts';
import { type LoggedTxn, zxidText } from '../../history.ts';
import type { ClientRequest, Reconfigure } from '../../requests.ts';
import { decide, isMajority } from './quorums.ts';

export class MembershipJudge {
  /** After the last committed transaction. */
  configuration: Configuration;
  /** The one before it; the same, while there was none. */
  before: Configuration;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
    this.before = configuration;
  }

  /** Whether these servers may decide whether a transaction counts. */
  suffices(holders: ReadonlySet<number>, next: Configuration | null): boolean {
    return decide(this.configuration, holders) && (next === null || decide(next, holders));
  }

  /** Votes have weights. */
  get isWeighted(): boolean {
    return this.configuration.groups.size > 0;
  }

  /** Whether most voters are among them, whatever their votes weigh. */
  isMajority(holders: ReadonlySet<number>): boolean {
    return isMajority(this.configuration.voters, holders);
  }

  /** The configuration in a transaction that brings one, which was asked for with `request`. */
  next({ zxid, txn }: LoggedTxn, request: ClientRequest | undefined): Configuration {
    const text = 'data' in txn.value ? Buffer.from(txn.value.data ?? []).toString() : '';
    const name = () => `the configuration of ${zxidText(zxid)}, ${JSON.stringify(text)},`;
    const lines = text.split('\n');
    const version = `version=${zxid.toString(16)}`;
    check(lines.pop() === version, 'membership', () => `${name()} does not end with ${version}`);
    check(request?.kind === 'reconfig', 'membership', () => `${name()} was asked for by nobody`);
    const asked = linesAsked(this.configuration, request);
    const isAsked = lines.sort().join('\n') === asked.join('\n');
    check(isAsked, 'membership', () => `${name()} is not what was asked for: ${asked.join()}`);
    return Configuration.parse(text);
  }

  committed(configuration: Configuration): void {
    this.before = this.configuration;
    this.configuration = configuration;
  }

  /**
   * Whether a server may lead now, for which its vote must count: who gives leadership away because it leaves has led
   * until then.
   */
  mayLead(serverId: number): boolean {
    return [this.configuration, this.before].some((known) => known.isVoter(serverId) && known.weightOf(serverId) > 0);
  }
}

function linesAsked(configuration: Configuration, { joining, leaving, members }: Reconfigure): string[] {
  const lines = new Map(
    members !== null ? [] : [...configuration.membershipLines()].map((line) => [line.split('=')[0], line]),
  );
  for (const id of leaving?.split(',') ?? []) {
    lines.delete(`server.${id}`);
  }
  for (const line of (members ?? joining)?.split(',') ?? []) {
    lines.set(line.split('=')[0], line);
  }
  return [...lines.values()].sort();
}
