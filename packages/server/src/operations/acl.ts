/** getACL and setACL (client-protocol.md §8). */
import {
  ErrorNumber,
  GetAclResponse,
  isValidPath,
  OpCode,
  PathRequest,
  Perms,
  SetAclRequest,
  SetAclTxn,
  StatResponse,
} from '@treekeeper/protocol';
import { mayDo, nextVersion, READ_OR_ADMIN, sessionError, versionMatches } from './checks.ts';
import { eagerSetAcl } from './eager-acl.ts';
import type { ReadOperation, TxnKind, WriteOperation } from './operation.ts';

export const getACL: ReadOperation<PathRequest> = {
  kind: 'read',
  name: 'getACL',
  opcode: OpCode.getACL,
  request: PathRequest,
  answer({ tree, access }, { identities }, { path }, reply) {
    const node = tree.find(path);
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    const acl = tree.acl(node);
    if (!access.permits(acl, READ_OR_ADMIN, identities)) {
      return ErrorNumber.NO_AUTH;
    }
    const visible = access.permits(acl, Perms.admin, identities) ? acl : access.maskAcl(acl);
    GetAclResponse.encode(reply, { acl: visible, stat: tree.stat(node) });
    return 0;
  },
};

export const setAclTxn: TxnKind<SetAclTxn> = {
  type: OpCode.setACL,
  record: SetAclTxn,
  apply: ({ tree }, { path, acl, version }) => tree.setAcl(path, acl, version),
};

export const setACL: WriteOperation<SetAclRequest> = {
  kind: 'write',
  name: 'setACL',
  opcode: OpCode.setACL,
  request: SetAclRequest,
  eagerAclCheck: eagerSetAcl,
  prepare(preparation, { path, acl: requested, version }) {
    const refused = sessionError(preparation);
    if (refused !== 0) {
      return refused;
    }
    if (!isValidPath(path)) {
      return ErrorNumber.BAD_ARGUMENTS;
    }
    const acl = preparation.world.access.fixAcl(requested, preparation.identities);
    if (typeof acl === 'number') {
      return acl;
    }
    const node = preparation.node(path);
    if (node === null) {
      return ErrorNumber.NO_NODE;
    }
    if (!mayDo(preparation, node, Perms.admin)) {
      return ErrorNumber.NO_AUTH;
    }
    if (!versionMatches(node.aversion, version)) {
      return ErrorNumber.BAD_VERSION;
    }
    const changed = preparation.edit(node);
    changed.acl = acl;
    changed.aversion = nextVersion(node.aversion);
    preparation.put(changed);
    return { kind: setAclTxn, value: { path, acl, version: changed.aversion } };
  },
  reply: ({ tree }, txn, reply) => {
    StatResponse.encode(reply, { stat: tree.stat(tree.find((txn.value as SetAclTxn).path)) });
  },
};
