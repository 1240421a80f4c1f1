/** What a write must become: the checks of client-protocol.md §3.4 on the model's tree, one write after another. */
import { ErrorNumber, type Id, isSequentialMode, OpCode, Perms, sequenceSuffix } from '@treekeeper/protocol';
import {
  type Check,
  type ClientRequest,
  type Create,
  createsEphemeral,
  type Delete,
  type MultiPart,
  type SetData,
} from '../requests.ts';
import { permits, storedAcl } from './access.ts';
import { type QuotaView, quotaError } from './quota.ts';
import { applyToTree, encodeTxn, type ModelState, type ModelTxn, type TxnOrigin } from './state.ts';
import { type ModelNode, ModelTree, parentOf } from './tree.ts';

const RESERVED = ['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'];

/** A session as who prepares its requests has to see it; a local one may own no ephemeral nodes. */
export type Standing = 'global' | 'local' | 'gone';

/** How a session stands where transactions open all of them. */
export function standingIn({ sessions }: ModelState, sessionId: bigint): Standing {
  return sessions.has(sessionId) ? 'global' : 'gone';
}

/**
 * The transaction that `request` must make on `state`; a refusal is an error transaction.
 *
 * @param applied the quotas as they were when the server looked: what was on its way did not count
 */
export function expectedTxn(
  { tree }: ModelState,
  request: ClientRequest,
  identities: readonly Id[],
  origin: TxnOrigin,
  applied: QuotaView,
  standing: Standing,
): ModelTxn {
  const refused = standing === 'gone' ? ErrorNumber.SESSION_EXPIRED : 0;
  const requester = { identities, isLocal: standing === 'local' };
  switch (request.kind) {
    case 'multi':
      return multi(tree, request.parts, requester, origin, refused, applied);
    case 'closeSession':
      return { type: OpCode.closeSession, value: { paths2Delete: tree.ephemeralsOf(origin.sessionId) } };
    case 'malformed':
      return refusal(ErrorNumber.MARSHALLING_ERROR);
    case 'setACL': {
      const txn = refused || setAcl(tree, request.path, request.acl, request.version, identities);
      return typeof txn === 'number' ? refusal(txn) : txn;
    }
    case 'create':
    case 'delete':
    case 'setData': {
      const txn = refused || prepareOn(tree, request, requester, applied);
      return typeof txn === 'number' ? refusal(txn) : txn;
    }
    default:
      throw new Error(`${request.kind} is no write`);
  }
}

function refusal(err: number): ModelTxn {
  return { type: OpCode.error, value: { err } };
}

interface Requester {
  readonly identities: readonly Id[];
  /** Its session is a local one. */
  readonly isLocal: boolean;
}

function prepareOn(tree: ModelTree, part: MultiPart, requester: Requester, applied: QuotaView): ModelTxn | number {
  const { identities } = requester;
  switch (part.kind) {
    case 'create':
      return create(tree, part, requester, applied);
    case 'delete':
      return remove(tree, part, identities);
    case 'setData':
      return setData(tree, part, identities, applied);
    case 'check':
      return check(tree, part, identities);
  }
}

function create(tree: ModelTree, request: Create, requester: Requester, applied: QuotaView): ModelTxn | number {
  const { flags, data, opcode } = request;
  const { identities } = requester;
  if (requester.isLocal && createsEphemeral(request)) {
    return ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION;
  }
  const acl = storedAcl(request.acl, identities);
  if (typeof acl === 'number') {
    return acl;
  }
  const parent = tree.nodes.get(parentOf(request.path));
  if (parent === undefined) {
    return ErrorNumber.NO_NODE;
  }
  if (!permits(parent.acl, Perms.create, identities)) {
    return ErrorNumber.NO_AUTH;
  }
  const path = request.path + (isSequentialMode(flags) ? sequenceSuffix(parent.cversion) : '');
  if (tree.nodes.has(path)) {
    return ErrorNumber.NODE_EXISTS;
  }
  if (tree.kind(parent) === 'ephemeral') {
    return ErrorNumber.NO_CHILDREN_FOR_EPHEMERALS;
  }
  const overQuota = quotaError(applied, path, true, data?.length ?? 0);
  if (overQuota !== 0) {
    return overQuota;
  }
  const value = { path, data, acl, parentCVersion: parent.cversion + 1 };
  switch (opcode) {
    case OpCode.createContainer:
      return { type: OpCode.createContainer, value };
    case OpCode.createTTL:
      return { type: OpCode.createTTL, value: { ...value, ttl: BigInt(request.ttlMs) } };
    default: {
      const type = opcode === OpCode.create ? OpCode.create : OpCode.create2;
      return { type, value: { ...value, ephemeral: createsEphemeral(request) } };
    }
  }
}

function remove(tree: ModelTree, { path, version }: Delete, identities: readonly Id[]): ModelTxn | number {
  if (RESERVED.includes(path)) {
    return ErrorNumber.BAD_ARGUMENTS;
  }
  const parent = tree.nodes.get(parentOf(path));
  if (parent === undefined) {
    return ErrorNumber.NO_NODE;
  }
  if (!permits(parent.acl, Perms.delete, identities)) {
    return ErrorNumber.NO_AUTH;
  }
  const node = tree.nodes.get(path);
  if (node === undefined) {
    return ErrorNumber.NO_NODE;
  }
  if (version !== -1 && version !== node.version) {
    return ErrorNumber.BAD_VERSION;
  }
  return node.children.length > 0 ? ErrorNumber.NOT_EMPTY : { type: OpCode.delete, value: { path } };
}

function isVersion(version: number, expected: number): boolean {
  return expected === -1 || expected === version;
}

/** The node if the client has the permission and its version is the one expected. */
function versioned(
  tree: ModelTree,
  { path, version }: { readonly path: string; readonly version: number },
  perms: number,
  identities: readonly Id[],
): ModelNode | number {
  const node = tree.nodes.get(path);
  if (node === undefined) {
    return ErrorNumber.NO_NODE;
  }
  if (!permits(node.acl, perms, identities)) {
    return ErrorNumber.NO_AUTH;
  }
  const actual = perms === Perms.admin ? node.aversion : node.version;
  return isVersion(actual, version) ? node : ErrorNumber.BAD_VERSION;
}

function setData(
  tree: ModelTree,
  { path, data, version }: SetData,
  identities: readonly Id[],
  applied: QuotaView,
): ModelTxn | number {
  const node = versioned(tree, { path, version: -1 }, Perms.write, identities);
  if (typeof node === 'number') {
    return node;
  }
  const overQuota = quotaError(applied, path, false, data?.length ?? 0);
  if (overQuota !== 0) {
    return overQuota;
  }
  const isExpected = isVersion(node.version, version);
  return isExpected
    ? { type: OpCode.setData, value: { path, data, version: node.version + 1 } }
    : ErrorNumber.BAD_VERSION;
}

function check(tree: ModelTree, request: Check, identities: readonly Id[]): ModelTxn | number {
  const node = versioned(tree, request, Perms.read, identities);
  const { path } = request;
  return typeof node === 'number' ? node : { type: OpCode.check, value: { path, version: node.version + 1 } };
}

function setAcl(
  tree: ModelTree,
  path: string,
  requested: Create['acl'],
  version: number,
  identities: readonly Id[],
): ModelTxn | number {
  const acl = storedAcl(requested, identities);
  if (typeof acl === 'number') {
    return acl;
  }
  const node = versioned(tree, { path, version }, Perms.admin, identities);
  return typeof node === 'number' ? node : { type: OpCode.setACL, value: { path, acl, version: node.aversion + 1 } };
}

/** All or nothing, each operation on what those before it left: tried on a copy. */
function multi(
  tree: ModelTree,
  parts: readonly MultiPart[],
  requester: Requester,
  origin: TxnOrigin,
  refused: number,
  applied: QuotaView,
): ModelTxn {
  const copy = new ModelTree(tree);
  const txns: ModelTxn[] = [];
  for (const part of parts) {
    const failed = txns.some(({ type }) => type === OpCode.error);
    const txn = failed ? ErrorNumber.RUNTIME_INCONSISTENCY : refused || prepareOn(copy, part, requester, applied);
    if (typeof txn === 'number') {
      txns.push(refusal(txn));
    } else {
      applyToTree(copy, txn, origin);
      txns.push(txn);
    }
  }
  return { type: OpCode.multi, value: { txns: txns.map((txn) => ({ type: txn.type, data: encodeTxn(txn) })) } };
}
