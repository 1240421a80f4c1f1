/** setData. */
import {
  ErrorNumber,
  isValidPath,
  OpCode,
  Perms,
  SetDataRequest,
  SetDataTxn,
  StatResponse,
} from '@treekeeper/protocol';
import type { DataTree } from '../tree/data-tree.ts';
import { dataCrcOf } from '../tree/digest.ts';
import { mayDo, nextVersion, sessionError, versionMatches } from './checks.ts';
import { eagerSetData } from './eager-acl.ts';
import type { Preparation, Txn, TxnKind, WriteOperation } from './operation.ts';

interface SetDataValue extends SetDataTxn {
  /** CRC-32 of the data, known where the transaction was prepared here. */
  readonly dataCrc?: number;
}

export const setDataTxn: TxnKind<SetDataValue> = {
  type: OpCode.setData,
  record: SetDataTxn,
  apply: ({ tree }, { path, data, version, dataCrc }, { zxid, timeMs }) =>
    tree.setData(path, data, version, zxid, timeMs, dataCrc),
};

export function prepareSetData(preparation: Preparation, { path, data, version }: SetDataRequest): Txn | number {
  const { world, zxid, timeMs } = preparation;
  const refused = sessionError(preparation);
  if (refused !== 0) {
    return refused;
  }
  if (!isValidPath(path)) {
    return ErrorNumber.BAD_ARGUMENTS;
  }
  const node = preparation.node(path);
  if (node === null) {
    return ErrorNumber.NO_NODE;
  }
  if (!mayDo(preparation, node, Perms.write)) {
    return ErrorNumber.NO_AUTH;
  }
  const dataLength = data === null ? 0 : data.length;
  const overQuota = world.rules.enforceQuota ? quotaError(world.tree, path, dataLength) : 0;
  if (overQuota !== 0) {
    return overQuota;
  }
  if (!versionMatches(node.version, version)) {
    return ErrorNumber.BAD_VERSION;
  }
  const dataCrc = dataCrcOf(data);
  const changed = preparation.edit(node);
  changed.version = nextVersion(node.version);
  changed.mzxid = zxid;
  changed.mtimeMs = timeMs;
  changed.dataLength = dataLength;
  changed.contentCrc = preparation.contentCrc(path, dataCrc, dataLength);
  preparation.put(changed);
  return { kind: setDataTxn, value: { path, data, version: changed.version, dataCrc } };
}

/** Totals are those applied, as in ZooKeeper, so the difference is taken against the data applied. */
function quotaError(tree: DataTree, path: string, dataLength: number): number {
  const appliedLength = tree.dataLength(tree.find(path));
  return tree.quota.refusal(path, 0, dataLength - appliedLength, true);
}

export const setData: WriteOperation<SetDataRequest> = {
  kind: 'write',
  name: 'setData',
  opcode: OpCode.setData,
  request: SetDataRequest,
  eagerAclCheck: eagerSetData,
  prepare: prepareSetData,
  reply: ({ tree }, txn, reply) => {
    StatResponse.encode(reply, { stat: tree.stat(tree.find((txn.value as SetDataTxn).path)) });
  },
};
