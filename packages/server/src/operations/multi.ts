/** multi: several writes, all or none (client-protocol.md §6). */
import {
  CheckVersionRequest,
  CREATE_MODE_MAX,
  Create2Response,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  type CreateTxn,
  DeleteRequest,
  type EncodableStat,
  ErrorNumber,
  ErrorResult,
  type ErrorTxn,
  isEphemeralMode,
  isTtlMode,
  JuteError,
  JuteReader,
  JuteWriter,
  MultiHeader,
  MultiTxn,
  OpCode,
  SetDataRequest,
  type SetDataTxn,
  StatResponse,
} from '@treekeeper/protocol';
import { checkTxn, prepareCheck } from './check.ts';
import { create2Txn, createContainerTxn, createTtlTxn, createTxn, opcodeInMulti, prepareCreate } from './create.ts';
import { deleteContainerTxn, deleteTxn, prepareDelete } from './delete.ts';
import { errorTxn } from './error.ts';
import type { Preparation, Txn, TxnKind, World, WriteOperation } from './operation.ts';
import { prepareSetData, setDataTxn } from './set-data.ts';

/** One operation of the request, its own request bound. */
export interface MultiPart {
  readonly opcode: number;
  readonly request: unknown;
  readonly prepare: (preparation: Preparation) => Txn | number;
  readonly createsEphemeral: boolean;
}

const END = { type: -1, done: true, err: -1 };

function decodePart(opcode: number, reader: JuteReader): MultiPart {
  switch (opcode) {
    case OpCode.create:
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL: {
      const request =
        opcode === OpCode.createTTL ? CreateTtlRequest.decode(reader) : { ...CreateRequest.decode(reader), ttl: 0n };
      const ttlMissing = isTtlMode(request.flags) && opcode !== OpCode.createTTL;
      if (request.flags < 0 || request.flags > CREATE_MODE_MAX || ttlMissing) {
        throw new JuteError('OUT_OF_RANGE', `create flags ${request.flags} in a multi`);
      }
      const effective = opcodeInMulti(opcode, request.flags);
      return {
        opcode: effective,
        request,
        prepare: (preparation) => prepareCreate(preparation, effective, request, request.ttl),
        createsEphemeral: effective !== OpCode.createContainer && isEphemeralMode(request.flags),
      };
    }
    case OpCode.delete: {
      const request = DeleteRequest.decode(reader);
      return {
        opcode,
        request,
        createsEphemeral: false,
        prepare: (preparation) => prepareDelete(preparation, request),
      };
    }
    case OpCode.setData: {
      const request = SetDataRequest.decode(reader);
      return {
        opcode,
        request,
        createsEphemeral: false,
        prepare: (preparation) => prepareSetData(preparation, request),
      };
    }
    case OpCode.check: {
      const request = CheckVersionRequest.decode(reader);
      return { opcode, request, createsEphemeral: false, prepare: (preparation) => prepareCheck(preparation, request) };
    }
    default:
      throw new JuteError('OUT_OF_RANGE', `operation ${opcode} is not allowed in a multi`);
  }
}

/** Headers and requests in turn until a header says `done`; nothing else ends the list. */
function decodeMulti(reader: JuteReader): MultiPart[] {
  const parts: MultiPart[] = [];
  for (;;) {
    const { type, done } = MultiHeader.decode(reader);
    if (done) {
      return parts;
    }
    parts.push(decodePart(type, reader));
  }
}

const subTxnKinds = new Map<number, TxnKind<never>>(
  [
    createTxn,
    create2Txn,
    createContainerTxn,
    createTtlTxn,
    deleteTxn,
    deleteContainerTxn,
    setDataTxn,
    checkTxn,
    errorTxn,
  ].map((kind) => [kind.type, kind as TxnKind<never>]),
);

const scratch = new JuteWriter(1024);
/** A part is no longer than the multi that holds it, whose length has been looked at. */
const subReader = new JuteReader(undefined, Number.MAX_SAFE_INTEGER);

function encodeSubTxn({ kind, value }: Txn): { type: number; data: Uint8Array } {
  scratch.clear();
  kind.record.encode(scratch, value);
  return { type: kind.type, data: scratch.copy() };
}

/**
 * The transaction's operations stay encoded, as they are logged. Stats that the reply needs are those after each
 * operation, not those at the end: `apply` keeps them in `stats`, by index.
 */
interface MultiValue extends MultiTxn {
  /** Decoded. */
  parts?: readonly SubTxnValue[];
  stats?: (EncodableStat | undefined)[];
}

interface SubTxnValue {
  readonly kind: TxnKind<never>;
  readonly value: never;
}

/** Throws JuteError. */
function decodeParts({ txns }: MultiTxn): SubTxnValue[] {
  return txns.map(({ type, data }) => {
    const kind = subTxnKinds.get(type);
    if (kind === undefined) {
      throw new JuteError('OUT_OF_RANGE', `a multi with an operation of type ${type}, which has no place there`);
    }
    subReader.reset(data, 0, data.length);
    return { kind, value: kind.record.decode(subReader) };
  });
}

export const multiTxn: TxnKind<MultiValue> = {
  type: OpCode.multi,
  record: {
    ...MultiTxn,
    /** With all its parts: a transaction that cannot be read must not get into the log, nor be applied by half. */
    decode(reader) {
      const multi: MultiValue = MultiTxn.decode(reader);
      multi.parts = decodeParts(multi);
      return multi;
    },
  },
  apply(world, multi, context) {
    const { txns } = multi;
    if (txns.some(({ type }) => type === OpCode.error)) {
      return 0; // one refused operation, and none is applied; the rest is in the record for the reply
    }
    multi.stats = (multi.parts ?? decodeParts(multi)).map(({ kind, value }) => {
      kind.apply(world, value, context); // in replay one may fail: the others are applied all the same
      return statAfter(world, kind.type, value);
    });
    return 0;
  },
};

function statAfter({ tree }: World, type: number, value: unknown): EncodableStat | undefined {
  if (type === OpCode.create || type === OpCode.delete || type === OpCode.check || type === OpCode.deleteContainer) {
    return undefined;
  }
  const node = tree.find((value as SetDataTxn).path);
  return node === 0 ? undefined : { ...tree.stat(node) };
}

function prepareMulti(preparation: Preparation, parts: MultiPart[]): Txn | number {
  const mark = preparation.mark();
  const txns: MultiTxn['txns'] = [];
  let failed = false;
  let sizeBytes = 0;
  for (const part of parts) {
    const result: Txn | number = failed ? ErrorNumber.RUNTIME_INCONSISTENCY : part.prepare(preparation);
    if (result === ErrorNumber.MARSHALLING_ERROR) {
      // What cannot be read, of a part or of the limits that it meets, refuses the whole request.
      preparation.rollback(mark);
      return result;
    }
    failed ||= typeof result === 'number';
    const txn = encodeSubTxn(typeof result === 'number' ? { kind: errorTxn, value: { err: result } } : result);
    txns.push(txn);
    sizeBytes += txn.data.length;
    if (sizeBytes > preparation.txnBytesMax) {
      preparation.rollback(mark); // expanded ACLs can make much of a small request
      return ErrorNumber.MARSHALLING_ERROR;
    }
  }
  if (failed) {
    preparation.rollback(mark);
  }
  return { kind: multiTxn, value: { txns } };
}

/** After a failure every result is an error: 0 before the failing operation, its code, then −2 (trap 8). */
function replyFailed(txns: MultiTxn['txns'], reply: JuteWriter): void {
  for (const { type, data } of txns) {
    let err = 0;
    if (type === OpCode.error) {
      subReader.reset(data, 0, data.length);
      err = errorTxn.record.decode(subReader).err;
    }
    MultiHeader.encode(reply, { type: OpCode.error, done: false, err });
    ErrorResult.encode(reply, { err });
  }
}

function replyDone({ txns, stats }: MultiValue, reply: JuteWriter): void {
  txns.forEach(({ type, data }, i) => {
    const stat = stats?.[i];
    subReader.reset(data, 0, data.length);
    // 3.10 answers every create that carries a stat as create2.
    const withPathAndStat = type === OpCode.create2 || type === OpCode.createContainer || type === OpCode.createTTL;
    MultiHeader.encode(reply, { type: withPathAndStat ? OpCode.create2 : type, done: false, err: 0 });
    if (type === OpCode.create || withPathAndStat) {
      const { path } = (subTxnKinds.get(type) as TxnKind<CreateTxn>).record.decode(subReader);
      if (stat === undefined) {
        CreateResponse.encode(reply, { path });
      } else {
        Create2Response.encode(reply, { path, stat });
      }
    } else if (type === OpCode.setData && stat !== undefined) {
      StatResponse.encode(reply, { stat });
    }
  });
}

/** Why a transaction refuses its request: of a multi, the error of the first operation; 0: it does not. */
export function errorOf({ kind, value }: Txn): number {
  if (kind === errorTxn) {
    return (value as ErrorTxn).err;
  }
  const first = kind === multiTxn ? (value as MultiValue).txns[0] : undefined;
  if (first?.type !== OpCode.error) {
    return 0;
  }
  subReader.reset(first.data, 0, first.data.length);
  return errorTxn.record.decode(subReader).err;
}

/** The paths of a multi that was applied, by operation (with sequence numbers); null for one that was refused. */
export function appliedParts(txn: Txn): string[] | null {
  const { txns } = txn.value as MultiValue;
  if (txn.kind === errorTxn || txns.some(({ type }) => type === OpCode.error)) {
    return null;
  }
  return txns.map(({ type, data }) => {
    subReader.reset(data, 0, data.length);
    return (subTxnKinds.get(type) as TxnKind<{ path: string }>).record.decode(subReader).path;
  });
}

export const multi: WriteOperation<MultiPart[]> = {
  kind: 'write',
  name: 'multi',
  opcode: OpCode.multi,
  request: { decode: decodeMulti },
  malformedConsumesZxid: true,
  createsEphemeral: (parts) => parts.some((part) => part.createsEphemeral),
  prepare: prepareMulti,
  reply(_world, txn, reply) {
    const value = txn.value as MultiValue;
    if (value.txns.some(({ type }) => type === OpCode.error)) {
      replyFailed(value.txns, reply);
    } else {
      replyDone(value, reply);
    }
    MultiHeader.encode(reply, END);
  },
};
