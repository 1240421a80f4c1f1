/**
 * After a restart the server has the state after some transaction: not before the last one that anybody was shown, not
 * after the last one handed to the disk, and exactly that state. The model is the judge of what it is.
 */
import { aclEquals } from '@treekeeper/protocol';
import type { DataTree, Replica } from '@treekeeper/server/internal';
import { sameBytes, sessionHex } from '../history.ts';
import type { ModelState } from '../model/state.ts';
import { check } from './violation.ts';

/** `seenZxid`: the last that a client was shown. */
export function checkRecoveredZxid(recoveredZxid: number, seenZxid: number, lastLoggedZxid: number): void {
  check(
    recoveredZxid >= seenZxid,
    'durability',
    () => `the server has recovered through zxid ${recoveredZxid}; clients have seen ${seenZxid}`,
  );
  check(
    recoveredZxid <= lastLoggedZxid,
    'durability',
    () => `the server has recovered zxid ${recoveredZxid}; the last one logged was ${lastLoggedZxid}`,
  );
}

/** `timeoutsOf`: which timeouts a session may have, since a resume changes it without a transaction. */
export function checkRecoveredState(
  { world, options }: Replica,
  state: ModelState,
  timeoutsOf: (sessionId: bigint) => ReadonlySet<number>,
): void {
  checkTree(world.tree, state, options.digestEnabled);
  for (const [sessionId, timeoutMs] of world.sessions.globalTimeouts()) {
    const name = sessionHex(sessionId);
    check(state.sessions.has(sessionId), 'durability', () => `session ${name} should not exist`);
    const known = timeoutsOf(sessionId).has(timeoutMs);
    check(known, 'durability', () => `session ${name} has a timeout of ${timeoutMs} ms, which it never had`);
  }
  for (const sessionId of state.sessions.keys()) {
    check(world.sessions.get(sessionId) !== undefined, 'durability', () => `session ${sessionHex(sessionId)} is lost`);
  }
}

/** Node by node, field by field. */
export function checkTree(tree: DataTree, { tree: model, lastZxid }: ModelState, digestEnabled: boolean): void {
  const problem = (what: string) => () => `after zxid ${lastZxid}: ${what}`;
  for (const [path, node] of model.nodes) {
    const id = tree.find(path);
    check(id !== 0, 'durability', problem(`${path} is missing`));
    const data = tree.data(id);
    const sameData = data === null || node.data === null ? data === node.data : sameBytes(data, node.data);
    check(sameData, 'durability', problem(`${path} has other data`));
    check(aclEquals(tree.acl(id), node.acl), 'durability', problem(`${path} has another ACL`));
    const actual = [
      tree.owner(id),
      tree.czxid(id),
      tree.mzxid(id),
      tree.pzxid(id),
      tree.ctimeMs(id),
      tree.mtimeMs(id),
      tree.version(id),
      tree.cversion(id),
      tree.aversion(id),
      tree.childCount(id),
    ].join();
    const { owner, czxid, mzxid, pzxid, ctimeMs, mtimeMs, version, cversion, aversion, children } = node;
    const times = [czxid, mzxid, pzxid, ctimeMs, mtimeMs];
    const expected = [owner, ...times, version, cversion, aversion, children.length].join();
    check(actual === expected, 'durability', problem(`${path} has the stat ${actual}, not ${expected}`));
  }
  check(tree.nodeCount === model.nodes.size, 'durability', problem(`${tree.nodeCount} nodes, not ${model.nodes.size}`));
  if (digestEnabled) {
    check(tree.digest === model.digest, 'digest', problem(`the digest is ${tree.digest}, not ${model.digest}`));
  }
}
