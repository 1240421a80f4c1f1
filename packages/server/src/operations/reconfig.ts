/** reconfig: the members of the ensemble change (client-protocol.md §3.6, quorum-protocol.md §9.1). */
import { ErrorNumber, GetDataResponse, OpCode, Perms, ReconfigRequest, type SetDataTxn } from '@treekeeper/protocol';
import { mayDo, sessionError } from './checks.ts';
import type { TxnKind, WriteOperation } from './operation.ts';
import { setDataTxn } from './set-data.ts';

/** Holds the configuration in force. Its version and its digest do not count changes. */
export const CONFIG_PATH = '/zookeeper/config';
const CONFIG_DATA_VERSION = -1;
const utf8 = new TextEncoder();

/** A setData on /zookeeper/config; found in the logs of servers that were part of an ensemble. */
export const reconfigTxn: TxnKind<SetDataTxn> = { ...setDataTxn, type: OpCode.reconfig };

export const reconfig: WriteOperation<ReconfigRequest> = {
  kind: 'write',
  name: 'reconfig',
  opcode: OpCode.reconfig,
  request: ReconfigRequest,
  prepare(preparation, request) {
    const { world, zxid, reconfiguration } = preparation;
    if (!world.rules.reconfigEnabled) {
      return ErrorNumber.RECONFIG_DISABLED;
    }
    const refused = sessionError(preparation);
    if (refused !== 0) {
      return refused;
    }
    if (reconfiguration === null) {
      return ErrorNumber.UNIMPLEMENTED;
    }
    const next = reconfiguration.next(request, zxid);
    if (typeof next === 'number') {
      return next;
    }
    const node = preparation.node(CONFIG_PATH);
    if (node === null) {
      return ErrorNumber.NO_NODE;
    }
    if (!mayDo(preparation, node, Perms.write)) {
      return ErrorNumber.NO_AUTH;
    }
    // The node counts in no digest, and nothing else is prepared against it.
    return { kind: reconfigTxn, value: { path: CONFIG_PATH, data: utf8.encode(next), version: CONFIG_DATA_VERSION } };
  },
  reply({ tree }, _txn, reply) {
    const node = tree.find(CONFIG_PATH);
    GetDataResponse.encode(reply, { data: tree.data(node), stat: tree.stat(node) });
  },
};
