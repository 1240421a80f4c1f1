/** check: a version test inside a multi; alone it is no operation (client-protocol.md §3.3). */
import {
  type CheckVersionRequest,
  CheckVersionTxn,
  ErrorNumber,
  isValidPath,
  OpCode,
  Perms,
} from '@treekeeper/protocol';
import { mayDo, nextVersion, sessionError, versionMatches } from './checks.ts';
import type { Preparation, Txn, TxnKind } from './operation.ts';

export const checkTxn: TxnKind<CheckVersionTxn> = { type: OpCode.check, record: CheckVersionTxn, apply: () => 0 };

export function prepareCheck(preparation: Preparation, { path, version }: CheckVersionRequest): Txn | number {
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
  if (!mayDo(preparation, node, Perms.read)) {
    return ErrorNumber.NO_AUTH;
  }
  if (!versionMatches(node.version, version)) {
    return ErrorNumber.BAD_VERSION;
  }
  return { kind: checkTxn, value: { path, version: nextVersion(node.version) } };
}
