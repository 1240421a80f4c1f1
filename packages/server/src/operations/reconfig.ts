/** reconfig: what a standalone server answers (client-protocol.md §3.6). */
import { EmptyRecord, ErrorNumber, OpCode, ReconfigRequest, type SetDataTxn } from '@treekeeper/protocol';
import { sessionError } from './checks.ts';
import type { TxnKind, WriteOperation } from './operation.ts';
import { setDataTxn } from './set-data.ts';

/** A setData on /zookeeper/config; found in the logs of servers that were part of an ensemble. */
export const reconfigTxn: TxnKind<SetDataTxn> = { ...setDataTxn, type: OpCode.reconfig };

export const reconfig: WriteOperation<ReconfigRequest> = {
  kind: 'write',
  name: 'reconfig',
  opcode: OpCode.reconfig,
  request: ReconfigRequest,
  prepare(preparation) {
    const refused = sessionError(preparation);
    if (refused !== 0) {
      return refused;
    }
    return preparation.world.rules.reconfigEnabled ? ErrorNumber.UNIMPLEMENTED : ErrorNumber.RECONFIG_DISABLED;
  },
  reply: (_world, _txn, reply) => EmptyRecord.encode(reply, {}),
};
