/**
 * Every transaction is what its request, or the server's own reason, makes of the state before it. Each request makes
 * one at most, those of a connection in the order in which they were sent; a refused write is an error transaction and
 * nothing more.
 */
import { ErrorNumber, JuteReader, MultiTxn, OpCode, ttlOfOwner } from '@treekeeper/protocol';
import { describeTxn, type LoggedTxn, sameBytes, sessionHex } from '../history.ts';
import { expectedTxn, type Standing, standingIn } from '../model/prepare.ts';
import { NO_QUOTAS, type QuotaView, quotasOf } from '../model/quota.ts';
import { encodeTxn, type ModelState, type ModelTxn, partsOf } from '../model/state.ts';
import type { ClientRequest } from '../requests.ts';
import type { Sent } from './connection-view.ts';
import { check } from './violation.ts';

/** Why the server deletes nodes by itself. */
export interface ReapingRules {
  readonly maxNeverUsedIntervalMs: number;
}

/** Knows of sessions that no transaction opens. */
export interface LocalStandings {
  /** How a request may find its session; the first is the most likely. None: it should not have come to that. */
  of(state: ModelState, logged: LoggedTxn, request: ClientRequest): readonly Standing[];
  /** A transaction opens a session. */
  checkOpened(logged: LoggedTxn): void;
  /** One that its own server has asked for is told. True: this is the refusal to open a session. */
  isRefusedUpgrade(logged: LoggedTxn): boolean;
}

/** Quotas as they were for some transactions in a row. */
interface PastQuotas {
  readonly fromZxid: number;
  toZxid: number;
  readonly quotas: QuotaView;
}

export class TransactionChecker {
  readonly #requests = new Map<bigint, Map<number, Sent>>();
  /** By session: what it asked for on an earlier connection is not done after what it asked for on a later one. */
  readonly #lastCxid = new Map<bigint, number>();
  /** What quotas were before each transaction; the last entry: before the one that is looked at. */
  readonly #past: PastQuotas[] = [];
  readonly #withQuotas: boolean;
  readonly #mayHaveMoved: (sessionId: bigint) => boolean;
  readonly #movedRefusals: readonly number[];
  readonly #locals: LocalStandings | null;

  /**
   * @param withQuotas quotas are set and enforced
   * @param mayHaveMoved whether requests may be refused because the session's client is at another server now
   * @param withObserverMasters followers feed observers: they can have such a request refused as malformed only
   * @param locals null: transactions open all sessions
   */
  constructor(
    withQuotas: boolean,
    mayHaveMoved: (sessionId: bigint) => boolean = () => false,
    withObserverMasters = false,
    locals: LocalStandings | null = null,
  ) {
    this.#withQuotas = withQuotas;
    this.#mayHaveMoved = mayHaveMoved;
    this.#locals = locals;
    this.#movedRefusals = [ErrorNumber.SESSION_MOVED, ...(withObserverMasters ? [ErrorNumber.MARSHALLING_ERROR] : [])];
  }

  /** A request of a known session: the transaction with its session and xid will be compared with it. */
  sent(sessionId: bigint, sent: Sent): void {
    const ofSession = this.#requests.get(sessionId) ?? new Map<number, Sent>();
    this.#requests.set(sessionId, ofSession.set(sent.xid, sent));
  }

  /** `state` is the one before the transaction. */
  check(state: ModelState, logged: LoggedTxn, rules: ReapingRules): void {
    const { sessionId, cxid, txn } = logged;
    this.#keep(state);
    if (sessionId === 0n) {
      checkReaped(state, logged, rules);
    } else if (txn.type === OpCode.createSession) {
      check(!state.sessions.has(sessionId), 'transactions', () => `session ${sessionHex(sessionId)} is opened again`);
      this.#locals?.checkOpened(logged);
    } else if (txn.type === OpCode.closeSession && cxid === 0) {
      check(state.sessions.has(sessionId), 'transactions', () => `${describeTxn(logged)}: it is closed already`);
      checkExpected(state, logged, expectedTxn(state, { kind: 'closeSession' }, [], logged, NO_QUOTAS, 'global'));
    } else if (this.#locals?.isRefusedUpgrade(logged) !== true) {
      this.#checkRequested(state, logged);
    }
  }

  #checkRequested(state: ModelState, logged: LoggedTxn): void {
    const { sessionId, cxid } = logged;
    const sent = this.#requests.get(sessionId)?.get(cxid);
    check(sent !== undefined, 'transactions', () => `${describeTxn(logged)}: nobody asked for it`);
    check(!sent.refused, 'transactions', () => `${describeTxn(logged)}: the client was told that nothing happened`);
    const { txn } = logged;
    const standings = this.#locals?.of(state, logged, sent.request) ?? [standingIn(state, sessionId)];
    const none = () => `${describeTxn(logged)}: its session should have been opened by a transaction before`;
    check(standings.length > 0, 'transactions', none);
    if (this.#isOfLeftConnection(standings, sessionId, refusalIn(txn))) {
      return; // whenever it came
    }
    const lastCxid = this.#lastCxid.get(sessionId) ?? 0;
    check(cxid > lastCxid, 'transactions', () => `${describeTxn(logged)} comes after cxid ${lastCxid}`);
    this.#lastCxid.set(sessionId, cxid);
    if (sent.request.kind !== 'reconfig') {
      this.#checkAmong(state, logged, sent, standings);
    } else if (txn.type === OpCode.error) {
      checkNotReconfigured(logged, txn.value.err);
    } // else it is for who knows the members to judge
  }

  /** What came from a connection that its session has left is refused: for that, or as the session has ended since. */
  #isOfLeftConnection(standings: readonly Standing[], sessionId: bigint, err: number): boolean {
    const hasEnded = err === ErrorNumber.SESSION_EXPIRED && standings.includes('gone');
    return (hasEnded || this.#movedRefusals.includes(err)) && this.#mayHaveMoved(sessionId);
  }

  /**
   * Quotas are those of what was applied when the server looked: some state between what clients knew when they asked
   * and the one before the transaction.
   */
  #checkAmong(state: ModelState, logged: LoggedTxn, sent: Sent, standings: readonly Standing[]): void {
    const { request, identities, knownZxid } = sent;
    const expected = (applied: QuotaView, standing: Standing) =>
      expectedTxn(state, request, identities, logged, applied, standing);
    const isAmong = (applied: QuotaView) => standings.some((each) => isSame(logged, expected(applied, each)));
    const now = this.#past.at(-1)?.quotas ?? NO_QUOTAS;
    if (!isAmong(now) && !this.#past.some(({ toZxid, quotas }) => toZxid >= knownZxid && isAmong(quotas))) {
      checkExpected(state, logged, expected(now, standings[0]));
    }
  }

  #keep({ lastZxid, tree }: ModelState): void {
    if (!this.#withQuotas) {
      return;
    }
    while ((this.#past.at(-1)?.fromZxid ?? -1) >= lastZxid) {
      this.#past.pop(); // a crash has taken them back
    }
    const last = this.#past.at(-1);
    const quotas = quotasOf(tree);
    if (last?.quotas.text === quotas.text) {
      last.toZxid = lastZxid;
    } else {
      if (last !== undefined) {
        last.toZxid = Math.min(last.toZxid, lastZxid - 1);
      }
      this.#past.push({ fromZxid: lastZxid, toZxid: lastZxid, quotas });
    }
  }

  /** What a transaction was asked for with; undefined: the server made it by itself. */
  requestOf({ sessionId, cxid }: LoggedTxn): ClientRequest | undefined {
    return this.#requests.get(sessionId)?.get(cxid)?.request;
  }
}

/** The error of a refusal, of a multi that of its first operation; 0: it is none. */
function refusalIn(txn: ModelTxn): number {
  const first = txn.type === OpCode.multi ? partsOf(txn.value)[0] : txn;
  return first?.type === OpCode.error ? first.value.err : 0;
}

/** Why members may not be changed: that depends on who is connected to the leader. */
const RECONFIG_REFUSALS: readonly number[] = [
  ErrorNumber.RECONFIG_IN_PROGRESS,
  ErrorNumber.NEW_CONFIG_NO_QUORUM,
  ErrorNumber.BAD_ARGUMENTS,
  ErrorNumber.SESSION_EXPIRED,
];

function checkNotReconfigured(logged: LoggedTxn, err: number): void {
  check(RECONFIG_REFUSALS.includes(err), 'transactions', () => `${describeTxn(logged)}: that is no reason`);
}

function checkExpected(state: ModelState, logged: LoggedTxn, expected: ModelTxn): void {
  const { txn } = logged;
  if (expected.type === OpCode.closeSession && txn.type === OpCode.closeSession) {
    // The order of the paths is the server's to choose.
    const same = sortedText(txn.value.paths2Delete) === sortedText(expected.value.paths2Delete);
    check(same, 'transactions', () => `${describeTxn(logged)}: ${describe(txn)}, not ${describe(expected)}`);
    return;
  }
  check(
    isSame(logged, expected),
    'transactions',
    () => `${describeTxn(logged)} should be ${describe(expected)}, is ${describe(txn)}; ${where(state, txn)}`,
  );
}

function isSame({ txn, body }: LoggedTxn, expected: ModelTxn): boolean {
  return expected.type === txn.type && sameBytes(body, encodeTxn(expected));
}

function sortedText(paths: readonly string[]): string {
  return [...paths].sort().join();
}

/** Containers without children that had some, or were never used; TTL nodes without children whose time is over. */
function checkReaped({ tree }: ModelState, logged: LoggedTxn, { maxNeverUsedIntervalMs }: ReapingRules): void {
  const { txn, timeMs } = logged;
  if (txn.type === OpCode.error) {
    return; // something came between looking and deleting
  }
  check(txn.type === OpCode.deleteContainer, 'transactions', () => `${describeTxn(logged)}, by the server itself`);
  const node = tree.nodes.get(txn.value.path);
  const isLeaf = node !== undefined && node.children.length === 0;
  check(isLeaf, 'transactions', () => `${describeTxn(logged)}: it has children`);
  const idleMs = timeMs - node.mtimeMs;
  const kind = tree.kind(node);
  const isDue =
    kind === 'container'
      ? node.cversion > 0 || (maxNeverUsedIntervalMs > 0 && idleMs > maxNeverUsedIntervalMs)
      : kind === 'ttl' && idleMs > ttlOfOwner(node.owner);
  check(isDue, 'transactions', () => `${describeTxn(logged)}: a ${kind} node whose time has not come`);
}

function describe(txn: ModelTxn): string {
  const value = txn.type === OpCode.multi ? partsOf(MultiTxn.decode(new JuteReader(encodeTxn(txn)))) : txn.value;
  const json = JSON.stringify(value, function (this: Record<string, unknown>, key, field: unknown) {
    const original = this[key]; // buffers have become lists of numbers in `field`
    if (original instanceof Uint8Array) {
      return `${original.length} bytes`;
    }
    return typeof field === 'bigint' ? String(field) : field;
  });
  return `type ${txn.type} ${json}`;
}

function where({ tree, lastZxid }: ModelState, { value }: ModelTxn): string {
  const node = 'path' in value ? tree.nodes.get(value.path) : undefined;
  return `after zxid ${lastZxid} the node ${node === undefined ? 'is missing' : `has version ${node.version}`}`;
}
