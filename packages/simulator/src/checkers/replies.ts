/**
 * Answers come in the order of requests, their zxids never go back on a connection, and each says exactly what is true
 * in the state whose zxid it carries.
 */
import { ErrorNumber, OpCode } from '@treekeeper/protocol';
import { describeTxn, type LoggedTxn, sameBytes, zxidText } from '../history.ts';
import { type ExpectedAnswer, readAnswer, withSortedNames, writeAnswer } from '../model/answers.ts';
import type { ModelState } from '../model/state.ts';
import { isWrite, opcodeOf } from '../requests.ts';
import type { ConnectionView, Sent } from './connection-view.ts';
import { check } from './violation.ts';

/** Finds a transaction that was logged; throws Violation when there is none of this zxid. */
export interface TxnLookup {
  at(zxid: number): LoggedTxn;
}

export interface ReplyFrame {
  readonly xid: number;
  readonly zxid: number;
  readonly err: number;
  readonly body: Uint8Array;
}

/**
 * Checks the answer to `sent` in `state`, which has its zxid; returns the transaction that it acknowledges, if any.
 *
 * @param endsLocally it ends a session that no transaction has opened
 */
export function checkReply(
  sent: Sent,
  reply: ReplyFrame,
  state: ModelState,
  history: TxnLookup,
  endsLocally: boolean,
): LoggedTxn | null {
  const { view, request } = sent;
  const problem = (what: string) => () => `connection ${view.port}, ${request.kind} ${sent.xid}: ${what}`;
  check(reply.xid === sent.xid, 'replies', problem(`the answer of xid ${reply.xid} came instead`));
  check(sent.deliveredMs >= 0, 'replies', problem('it was answered before it was there'));
  if (request.kind === 'auth') {
    check(reply.zxid === 0 && reply.err === 0, 'replies', problem(`error ${reply.err}, zxid ${reply.zxid}`));
    return null;
  }
  checkZxid(view, reply, problem);
  if (endsLocally) {
    sent.refused = true;
    checkAnswer(reply, { err: 0, body: new Uint8Array(0) }, problem);
    return null;
  }
  const isLogged = isWrite(request) || (request.kind === 'malformed' && request.opcode === OpCode.multi);
  if (isLogged && reply.err !== ErrorNumber.NOT_READ_ONLY) {
    return checkWritten(sent, reply, state, history);
  }
  if (isLogged || request.kind === 'malformed') {
    sent.refused = true;
    const isFull = reply.err === ErrorNumber.NOT_READ_ONLY && opcodeOf(request) !== OpCode.getData;
    const err = isFull ? ErrorNumber.NOT_READ_ONLY : ErrorNumber.MARSHALLING_ERROR;
    checkAnswer(reply, { err, body: new Uint8Array(0) }, problem);
  } else if (!isWrite(request)) {
    const reader = { sessionId: view.sessionId, identities: sent.identities, watches: view.watches };
    const expected = readAnswer(state, request, reader);
    const body = reply.err === 0 ? withSortedNames(request, reply.body) : reply.body;
    checkAnswer({ ...reply, body }, expected, problem);
  }
  return null;
}

function checkZxid(view: ConnectionView, { zxid }: ReplyFrame, problem: (what: string) => () => string): void {
  check(
    zxid >= view.lastZxid,
    'replies',
    problem(`zxid ${zxidText(zxid)} after ${zxidText(view.lastZxid)} on the same connection`),
  );
  view.lastZxid = zxid;
}

function checkWritten(
  { view, request, xid }: Sent,
  reply: ReplyFrame,
  state: ModelState,
  history: TxnLookup,
): LoggedTxn {
  const logged = history.at(reply.zxid);
  const problem = (what: string) => () =>
    `connection ${view.port}, ${request.kind} ${xid} (${describeTxn(logged)}): ${what}`;
  check(logged.sessionId === view.sessionId && logged.cxid === xid, 'replies', problem('it has the zxid of another'));
  checkAnswer(reply, writeAnswer(state, logged.txn), problem);
  return logged;
}

function checkAnswer(
  { err, body, zxid }: ReplyFrame,
  expected: ExpectedAnswer,
  problem: (what: string) => () => string,
): void {
  check(err === expected.err, 'replies', problem(`error ${err}, not ${expected.err}, at zxid ${zxidText(zxid)}`));
  check(
    sameBytes(body, expected.body),
    'replies',
    problem(`the body at zxid ${zxidText(zxid)} is ${hex(body)}, not ${hex(expected.body)}`),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex', 0, 200);
}
