/**
 * Every transaction is what its request, or the server's own reason, makes of the state before it. Each request makes
 * one at most, those of a connection in the order in which they were sent; a refused write is an error transaction and
 * nothing more.
 */
import { ErrorNumber, JuteReader, MultiTxn, OpCode, ttlOfOwner } from '@treekeeper/protocol';
import { describeTxn, type LoggedTxn, sameBytes, sessionHex } from '../history.ts';
import { expectedTxn } from '../model/prepare.ts';
import { encodeTxn, type ModelState, type ModelTxn, partsOf } from '../model/state.ts';
import type { Sent } from './connection-view.ts';
import { check } from './violation.ts';

/** Why the server deletes nodes by itself. */
export interface ReapingRules {
  readonly maxNeverUsedIntervalMs: number;
}

export class TransactionChecker {
  readonly #requests = new Map<bigint, Map<number, Sent>>();
  /** By session: what it asked for on an earlier connection is not done after what it asked for on a later one. */
  readonly #lastCxid = new Map<bigint, number>();
  readonly #mayHaveMoved: (sessionId: bigint) => boolean;

  /** @param mayHaveMoved whether requests may be refused because the session's client is at another server now */
  constructor(mayHaveMoved: (sessionId: bigint) => boolean = () => false) {
    this.#mayHaveMoved = mayHaveMoved;
  }

  /** A request of a known session: the transaction with its session and xid will be compared with it. */
  sent(sessionId: bigint, sent: Sent): void {
    const ofSession = this.#requests.get(sessionId) ?? new Map<number, Sent>();
    this.#requests.set(sessionId, ofSession.set(sent.xid, sent));
  }

  /** `state` is the one before the transaction. */
  check(state: ModelState, logged: LoggedTxn, rules: ReapingRules): void {
    const { sessionId, cxid, txn } = logged;
    if (sessionId === 0n) {
      checkReaped(state, logged, rules);
    } else if (txn.type === OpCode.createSession) {
      check(!state.sessions.has(sessionId), 'transactions', () => `session ${sessionHex(sessionId)} is opened again`);
    } else if (txn.type === OpCode.closeSession && cxid === 0) {
      check(state.sessions.has(sessionId), 'transactions', () => `${describeTxn(logged)}: it is closed already`);
      checkExpected(state, logged, expectedTxn(state, { kind: 'closeSession' }, [], logged));
    } else {
      this.#checkRequested(state, logged);
    }
  }

  #checkRequested(state: ModelState, logged: LoggedTxn): void {
    const { sessionId, cxid } = logged;
    const sent = this.#requests.get(sessionId)?.get(cxid);
    check(sent !== undefined, 'transactions', () => `${describeTxn(logged)}: nobody asked for it`);
    check(!sent.refused, 'transactions', () => `${describeTxn(logged)}: the client was told that nothing happened`);
    const { txn } = logged;
    if (txn.type === OpCode.error && txn.value.err === ErrorNumber.SESSION_MOVED && this.#mayHaveMoved(sessionId)) {
      return; // what came from a connection that it has left, whenever that came
    }
    const lastCxid = this.#lastCxid.get(sessionId) ?? 0;
    check(cxid > lastCxid, 'transactions', () => `${describeTxn(logged)} comes after cxid ${lastCxid}`);
    this.#lastCxid.set(sessionId, cxid);
    checkExpected(state, logged, expectedTxn(state, sent.request, sent.identities, logged));
  }
}

function checkExpected(state: ModelState, logged: LoggedTxn, expected: ModelTxn): void {
  const { txn } = logged;
  if (expected.type === OpCode.closeSession && txn.type === OpCode.closeSession) {
    // The order of the paths is the server's to choose.
    const same = sortedText(txn.value.paths2Delete) === sortedText(expected.value.paths2Delete);
    check(same, 'transactions', () => `${describeTxn(logged)}: ${describe(txn)}, not ${describe(expected)}`);
    return;
  }
  const same = expected.type === txn.type && sameBytes(logged.body, encodeTxn(expected));
  check(
    same,
    'transactions',
    () => `${describeTxn(logged)} should be ${describe(expected)}, is ${describe(txn)}; ${where(state, txn)}`,
  );
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
  const json = JSON.stringify(value, (_key, field: unknown) => {
    if (field instanceof Uint8Array) {
      return `${field.length} bytes`;
    }
    return typeof field === 'bigint' ? String(field) : field;
  });
  return `type ${txn.type} ${json}`;
}

function where({ tree, lastZxid }: ModelState, { value }: ModelTxn): string {
  const node = 'path' in value ? tree.nodes.get(value.path) : undefined;
  return `after zxid ${lastZxid} the node ${node === undefined ? 'is missing' : `has version ${node.version}`}`;
}
