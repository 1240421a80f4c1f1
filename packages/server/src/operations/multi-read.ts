/** multiRead: several reads in one request, each standing alone (client-protocol.md §6). */
import {
  ErrorNumber,
  ErrorResult,
  JuteError,
  type JuteReader,
  JuteWriter,
  MultiHeader,
  OpCode,
  WatchedPathRequest,
} from '@treekeeper/protocol';
import { getChildren } from './get-children.ts';
import { getData } from './get-data.ts';
import type { ReadOperation } from './operation.ts';

interface ReadPart {
  readonly operation: ReadOperation<WatchedPathRequest>;
  readonly request: WatchedPathRequest;
}

function decodeMultiRead(reader: JuteReader): ReadPart[] {
  const parts: ReadPart[] = [];
  for (;;) {
    const { type, done } = MultiHeader.decode(reader);
    if (done) {
      return parts;
    }
    if (type !== OpCode.getData && type !== OpCode.getChildren) {
      throw new JuteError('OUT_OF_RANGE', `operation ${type} is not allowed in a multiRead`);
    }
    const request = WatchedPathRequest.decode(reader);
    parts.push({
      operation: type === OpCode.getData ? getData : getChildren,
      request: { path: request.path, watch: false }, // the flag is ignored (trap 17)
    });
  }
}

/** Far more than clients take; without it one request of a megabyte could ask for more than the memory holds. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

const scratch = new JuteWriter(4096);

export const multiRead: ReadOperation<ReadPart[]> = {
  kind: 'read',
  name: 'multiRead',
  opcode: OpCode.multiRead,
  request: { decode: decodeMultiRead },
  replyBytes: (world, parts) =>
    parts.reduce((sum, { operation, request }) => sum + (operation.replyBytes?.(world, request) ?? 0), 0),
  answer(world, requester, parts, reply) {
    const start = reply.length;
    for (const { operation, request } of parts) {
      if (reply.length - start > REPLY_BYTES_MAX) {
        return ErrorNumber.MARSHALLING_ERROR;
      }
      scratch.clear();
      const err = operation.answer(world, requester, request, scratch);
      MultiHeader.encode(reply, { type: err === 0 ? operation.opcode : OpCode.error, done: false, err });
      if (err === 0) {
        reply.raw(scratch.bytes.subarray(0, scratch.length));
      } else {
        ErrorResult.encode(reply, { err });
      }
    }
    MultiHeader.encode(reply, { type: -1, done: true, err: -1 });
    return 0;
  },
};
