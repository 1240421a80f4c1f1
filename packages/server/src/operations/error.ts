/** The transaction of a refused write: it changes nothing but the last zxid. */
import { ErrorTxn, OpCode } from '@treekeeper/protocol';
import type { TxnKind } from './operation.ts';

export const errorTxn: TxnKind<ErrorTxn> = { type: OpCode.error, record: ErrorTxn, apply: () => 0 };
