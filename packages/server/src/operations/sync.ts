/** sync: answered when everything the leader had proposed has been applied here; the path is only echoed. */
import { OpCode, SyncRequest, SyncResponse } from '@treekeeper/protocol';
import type { ReadOperation } from './operation.ts';

export const sync: ReadOperation<{ path: string | null }> = {
  kind: 'read',
  name: 'sync',
  opcode: OpCode.sync,
  request: SyncRequest,
  answer(_world, _requester, { path }, reply) {
    SyncResponse.encode(reply, { path });
    return 0;
  },
};
