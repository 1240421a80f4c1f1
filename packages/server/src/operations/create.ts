/** create, create2, createContainer, createTTL (client-protocol.md §3.4, §5.1–5.3). */
import {
  type ACL,
  CONTAINER_OWNER,
  CREATE_MODE_MAX,
  Create2Response,
  CreateContainerTxn,
  CreateMode,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  CreateTtlTxn,
  CreateTxn,
  ErrorNumber,
  isEphemeralMode,
  isSequentialMode,
  isTtlMode,
  isValidPath,
  type JuteWriter,
  OpCode,
  type OpCodeName,
  ownerKind,
  Perms,
  sequenceSuffix,
  TTL_MS_MAX,
  ttlOwner,
} from '@treekeeper/protocol';
import { dataCrcOf } from '../tree/digest.ts';
import { ROOT_LIMITS_PATH } from '../tree/quota.ts';
import { ephemeralError, hasParent, mayDo, pendingParent, sessionError } from './checks.ts';
import { eagerCreate } from './eager-acl.ts';
import type { Preparation, Txn, TxnKind, World, WriteOperation } from './operation.ts';

type CreateFamilyTxn = CreateTxn | CreateContainerTxn | CreateTtlTxn;

/** A transaction as it was prepared here: the CRC-32 of its data is known. */
type Prepared<Txn> = Txn & { readonly dataCrc?: number };

function createKind(type: number): TxnKind<Prepared<CreateTxn>> {
  return {
    type,
    record: CreateTxn,
    apply({ tree }, { path, data, acl, ephemeral, parentCVersion, dataCrc }, { sessionId, zxid, timeMs }) {
      const owner = ephemeral ? sessionId : 0n;
      return tree.create(path, data, acl, owner, parentCVersion, zxid, timeMs, type === OpCode.create, dataCrc);
    },
  };
}

export const createTxn = createKind(OpCode.create);
/** Says no more than that the client asked for a stat. */
export const create2Txn = createKind(OpCode.create2);

export const createContainerTxn: TxnKind<Prepared<CreateContainerTxn>> = {
  type: OpCode.createContainer,
  record: CreateContainerTxn,
  apply: ({ tree }, { path, data, acl, parentCVersion, dataCrc }, { zxid, timeMs }) =>
    tree.create(path, data, acl, CONTAINER_OWNER, parentCVersion, zxid, timeMs, false, dataCrc),
};

export const createTtlTxn: TxnKind<Prepared<CreateTtlTxn>> = {
  type: OpCode.createTTL,
  record: CreateTtlTxn,
  apply: ({ tree }, { path, data, acl, parentCVersion, ttl, dataCrc }, { zxid, timeMs }) =>
    tree.create(path, data, acl, ttlOwner(ttl), parentCVersion, zxid, timeMs, false, dataCrc),
};

const CVERSION_MAX = 2147483647;

/** 0, or the error of flags that are wrong, or wrong for the opcode (§5.1, "Opcode and flags disagreeing"). */
function modeError(preparation: Preparation, opcode: number, flags: number, ttl: bigint): number {
  if (flags < 0 || flags > CREATE_MODE_MAX) {
    return ErrorNumber.BAD_ARGUMENTS;
  }
  if (isTtlMode(flags) && !preparation.world.rules.extendedTypesEnabled) {
    return ErrorNumber.UNIMPLEMENTED;
  }
  // A TTL request whose flags are no TTL mode is refused whatever its ttl: one form of it kills a Java server (trap
  // 43).
  const withTtl = opcode === OpCode.createTTL;
  const bad = withTtl !== isTtlMode(flags) || (withTtl && (ttl <= 0n || ttl > TTL_MS_MAX));
  return bad ? ErrorNumber.BAD_ARGUMENTS : 0;
}

function ownerOf(preparation: Preparation, opcode: number, flags: number, ttl: bigint): bigint {
  if (opcode === OpCode.createTTL) {
    return ttlOwner(ttl);
  }
  if (opcode === OpCode.createContainer) {
    return CONTAINER_OWNER;
  }
  return isEphemeralMode(flags) ? preparation.sessionId : 0n;
}

/** The transaction of the opcode; `path`, `acl` and `parentCVersion` are the final ones. */
function txnOf(
  opcode: number,
  request: CreateRequest,
  ttl: bigint,
  path: string,
  acl: ACL[],
  parentCVersion: number,
  dataCrc: number,
): Txn {
  const { data, flags } = request;
  if (opcode === OpCode.createTTL) {
    return { kind: createTtlTxn, value: { path, data, acl, parentCVersion, ttl, dataCrc } };
  }
  if (opcode === OpCode.createContainer) {
    return { kind: createContainerTxn, value: { path, data, acl, parentCVersion, dataCrc } };
  }
  const kind = opcode === OpCode.create ? createTxn : create2Txn;
  return { kind, value: { path, data, acl, ephemeral: isEphemeralMode(flags), parentCVersion, dataCrc } };
}

/** The checks and the transaction of every create; `opcode` is that of the request, or of the operation in a multi. */
export function prepareCreate(
  preparation: Preparation,
  opcode: number,
  request: CreateRequest,
  ttl = 0n,
): Txn | number {
  const { world } = preparation;
  const { flags, data } = request;
  const refused = modeError(preparation, opcode, flags, ttl) || sessionError(preparation);
  if (refused !== 0) {
    return refused;
  }
  const ephemeral = opcode !== OpCode.createContainer && isEphemeralMode(flags);
  if (ephemeral && ephemeralError(preparation) !== 0) {
    return ErrorNumber.EPHEMERAL_ON_LOCAL_SESSION;
  }
  if (request.path === null) {
    return ErrorNumber.MARSHALLING_ERROR; // but only after the flags
  }
  if (!hasParent(request.path)) {
    return ErrorNumber.BAD_ARGUMENTS;
  }
  const acl = world.access.fixAcl(request.acl, preparation.identities);
  if (typeof acl === 'number') {
    return acl;
  }
  const parent = pendingParent(preparation, request.path);
  if (parent === null) {
    return ErrorNumber.NO_NODE;
  }
  if (!mayDo(preparation, parent, Perms.create)) {
    return ErrorNumber.NO_AUTH;
  }
  // The counter is that of the parent at this place in the order of writes, so concurrent creates never collide.
  const path = isSequentialMode(flags) ? request.path + sequenceSuffix(parent.cversion) : request.path;
  if (!isValidPath(path) || path === ROOT_LIMITS_PATH) {
    return ErrorNumber.BAD_ARGUMENTS; // limits for the root kill a Java server (trap 43)
  }
  if (preparation.node(path) !== null) {
    return ErrorNumber.NODE_EXISTS;
  }
  if (ownerKind(parent.owner, world.tree.ownerRules) === 'ephemeral') {
    return ErrorNumber.NO_CHILDREN_FOR_EPHEMERALS;
  }
  const dataLength = data === null ? 0 : data.length;
  const overQuota = world.tree.quota.refusal(path, 1, dataLength, world.rules.enforceQuota);
  if (overQuota !== 0) {
    return overQuota;
  }
  // At its end the counter sticks, and with it the parent's pzxid, as in Java's tree: a transaction only ever raises
  // it.
  const cversion = Math.min(parent.cversion + 1, CVERSION_MAX);
  const pzxid = cversion > parent.cversion ? preparation.zxid : parent.pzxid;
  const changedParent = preparation.edit(parent);
  changedParent.cversion = cversion;
  changedParent.pzxid = pzxid;
  changedParent.childCount += 1;
  preparation.put(changedParent);
  const dataCrc = dataCrcOf(data);
  const node = preparation.add(path);
  node.owner = ownerOf(preparation, opcode, flags, ttl);
  node.acl = acl;
  node.dataLength = dataLength;
  node.contentCrc = preparation.contentCrc(path, dataCrc, dataLength);
  preparation.put(node);
  return txnOf(opcode, request, ttl, path, acl, cversion, dataCrc);
}

function replyWithPath(_world: World, txn: Txn, reply: JuteWriter): void {
  CreateResponse.encode(reply, { path: (txn.value as CreateFamilyTxn).path });
}

/** Path and stat; 3.10 answers all but opcode 1 so. */
export function replyWithStat({ tree }: World, txn: Txn, reply: JuteWriter): void {
  const { path } = txn.value as CreateFamilyTxn;
  Create2Response.encode(reply, { path, stat: tree.stat(tree.find(path)) });
}

function createOperation(name: OpCodeName, reply: WriteOperation['reply']): WriteOperation<CreateRequest> {
  const opcode = OpCode[name];
  return {
    kind: 'write',
    name,
    opcode,
    request: CreateRequest,
    createsEphemeral: ({ flags }) => opcode !== OpCode.createContainer && isEphemeralMode(flags),
    prepare: (preparation, request) => prepareCreate(preparation, opcode, request),
    reply,
  };
}

export const create: WriteOperation<CreateRequest> = {
  ...createOperation('create', replyWithPath),
  eagerAclCheck: eagerCreate,
};
export const create2: WriteOperation<CreateRequest> = {
  ...createOperation('create2', replyWithStat),
  eagerAclCheck: eagerCreate,
};
export const createContainer = createOperation('createContainer', replyWithStat);

export const createTTL: WriteOperation<CreateTtlRequest> = {
  kind: 'write',
  name: 'createTTL',
  opcode: OpCode.createTTL,
  request: CreateTtlRequest,
  prepare: (preparation, request) => prepareCreate(preparation, OpCode.createTTL, request, request.ttl),
  reply: replyWithStat,
};

/** Inside a multi, opcodes 1 and 15 with the container flag become createContainer; outside they make a plain node. */
export function opcodeInMulti(opcode: number, flags: number): number {
  return flags === CreateMode.container && opcode !== OpCode.createTTL ? OpCode.createContainer : opcode;
}
