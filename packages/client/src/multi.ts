/** The layout of multi and multiRead (client-protocol.md §6). */
import {
  Create2Response,
  CreateResponse,
  ErrorResult,
  GetChildrenResponse,
  GetDataResponse,
  type JuteReader,
  type JuteWriter,
  MultiHeader,
  OpCode,
  type Stat,
  StatResponse,
} from '@treekeeper/protocol';
import type { WireOperation } from './session/types.ts';

/** One part of a multi, ready to be written. */
export interface MultiPart {
  readonly operation: WireOperation;
  readonly body: unknown;
}

/** One part's result as it stands in the reply. */
export type MultiPartResult =
  | { readonly kind: 'created'; readonly path: string; readonly stat: Stat | null }
  | { readonly kind: 'stat'; readonly stat: Stat }
  | { readonly kind: 'done' }
  | { readonly kind: 'data'; readonly data: Uint8Array | null; readonly stat: Stat }
  | { readonly kind: 'children'; readonly children: string[] }
  | { readonly kind: 'error'; readonly errorNumber: number };

const ERROR_TYPE = -1;
const END = { type: -1, done: true, err: -1 };

function encode(writer: JuteWriter, parts: readonly MultiPart[]): void {
  for (const { operation, body } of parts) {
    MultiHeader.encode(writer, { type: operation.opcode, done: false, err: -1 });
    operation.encode(writer, body as never);
  }
  MultiHeader.encode(writer, END);
}

function decode(reader: JuteReader): MultiPartResult[] {
  const results: MultiPartResult[] = [];
  for (let header = MultiHeader.decode(reader); !header.done; header = MultiHeader.decode(reader)) {
    results.push(decodePart(header.type, reader));
  }
  return results;
}

function decodePart(type: number, reader: JuteReader): MultiPartResult {
  switch (type) {
    case ERROR_TYPE:
      return { kind: 'error', errorNumber: ErrorResult.decode(reader).err };
    case OpCode.create: // in place of create2, from servers before 3.10
      return { kind: 'created', ...CreateResponse.decode(reader), stat: null };
    case OpCode.create2:
      return { kind: 'created', ...Create2Response.decode(reader) };
    case OpCode.setData:
      return { kind: 'stat', ...StatResponse.decode(reader) };
    case OpCode.getData:
      return { kind: 'data', ...GetDataResponse.decode(reader) };
    case OpCode.getChildren:
      return { kind: 'children', ...GetChildrenResponse.decode(reader) };
    default:
      return { kind: 'done' };
  }
}

export const multiOperation: WireOperation = { opcode: OpCode.multi, isRead: false, encode, decode };
export const multiReadOperation: WireOperation = { opcode: OpCode.multiRead, isRead: true, encode, decode };
