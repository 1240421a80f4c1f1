/** getData and exists. */
import { ErrorNumber, GetDataResponse, OpCode, Perms, StatResponse, WatchedPathRequest } from '@treekeeper/protocol';
import type { ReadOperation } from './operation.ts';

export const getData: ReadOperation<WatchedPathRequest> = {
  kind: 'read',
  name: 'getData',
  opcode: OpCode.getData,
  request: WatchedPathRequest,
  replyBytes({ tree }, { path }) {
    const node = tree.find(path);
    return node === 0 ? 0 : tree.dataLength(node);
  },
  answer({ tree, access, watches }, { identities, watcher }, { path, watch }, reply) {
    const node = tree.find(path);
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    if (!access.permits(tree.acl(node), Perms.read, identities)) {
      return ErrorNumber.NO_AUTH;
    }
    if (watch) {
      watches.add(path, watcher, 'data');
    }
    GetDataResponse.encode(reply, { data: tree.data(node), stat: tree.stat(node) });
    return 0;
  },
};

export const exists: ReadOperation<WatchedPathRequest> = {
  kind: 'read',
  name: 'exists',
  opcode: OpCode.exists,
  request: WatchedPathRequest,
  answer({ tree, access, watches }, { identities, watcher }, { path, watch }, reply) {
    if (path.includes('\0')) {
      return ErrorNumber.BAD_ARGUMENTS;
    }
    const node = tree.find(path);
    if (node !== 0 && !access.permits(tree.acl(node), Perms.read, identities)) {
      return ErrorNumber.NO_AUTH;
    }
    if (watch) {
      watches.add(path, watcher, 'data'); // on a missing node too: it fires at the creation
    }
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    StatResponse.encode(reply, { stat: tree.stat(node) });
    return 0;
  },
};
