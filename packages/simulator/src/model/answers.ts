/** What a request must be answered on a given state: error number and body, computed in the obvious way. */
import {
  Create2Response,
  CreateResponse,
  ErrorNumber,
  ErrorResult,
  GetAclResponse,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsResponse,
  type Id,
  JuteReader,
  JuteWriter,
  MultiHeader,
  OpCode,
  Perms,
  StatResponse,
  SyncResponse,
} from '@treekeeper/protocol';
import type { ReadRequest } from '../requests.ts';
import { maskedAcl, permits } from './access.ts';
import { type ModelState, type ModelTxn, partsOf } from './state.ts';
import type { ModelTree } from './tree.ts';
import type { ModelWatches, ModelWatchKind } from './watches.ts';

export interface ExpectedAnswer {
  readonly err: number;
  readonly body: Uint8Array;
}

const NO_BODY = new Uint8Array(0);

function ok(write?: (writer: JuteWriter) => void): ExpectedAnswer {
  if (write === undefined) {
    return { err: 0, body: NO_BODY };
  }
  const writer = new JuteWriter();
  write(writer);
  return { err: 0, body: writer.copy() };
}

function failed(err: number): ExpectedAnswer {
  return { err, body: NO_BODY };
}

/** The answer to a write whose transaction has just been applied to `state`. */
export function writeAnswer({ tree, multiStats }: ModelState, txn: ModelTxn): ExpectedAnswer {
  switch (txn.type) {
    case OpCode.error:
      return failed(txn.value.err);
    case OpCode.create:
      return ok((writer) => CreateResponse.encode(writer, { path: txn.value.path }));
    case OpCode.create2:
    case OpCode.createContainer:
    case OpCode.createTTL: {
      const { path } = txn.value;
      return ok((writer) => Create2Response.encode(writer, { path, stat: tree.stat(path) }));
    }
    case OpCode.reconfig:
      return ok((writer) => GetDataResponse.encode(writer, { data: txn.value.data, stat: tree.stat(txn.value.path) }));
    case OpCode.setData:
    case OpCode.setACL:
      return ok((writer) => StatResponse.encode(writer, { stat: tree.stat(txn.value.path) }));
    case OpCode.multi:
      return ok((writer) => encodeMultiAnswer(writer, partsOf(txn.value), multiStats));
    default:
      return ok();
  }
}

const END_OF_MULTI = { type: -1, done: true, err: -1 };

function encodeMultiAnswer(writer: JuteWriter, parts: readonly ModelTxn[], stats: ModelState['multiStats']): void {
  const hasFailed = parts.some(({ type }) => type === OpCode.error);
  parts.forEach((part, i) => {
    if (hasFailed) {
      const err = part.type === OpCode.error ? part.value.err : 0;
      MultiHeader.encode(writer, { type: OpCode.error, done: false, err });
      ErrorResult.encode(writer, { err });
      return;
    }
    const stat = stats[i];
    switch (part.type) {
      case OpCode.create:
        MultiHeader.encode(writer, { type: OpCode.create, done: false, err: 0 });
        return CreateResponse.encode(writer, part.value);
      case OpCode.create2:
      case OpCode.createContainer:
      case OpCode.createTTL:
        MultiHeader.encode(writer, { type: OpCode.create2, done: false, err: 0 });
        return stat === null ? undefined : Create2Response.encode(writer, { path: part.value.path, stat });
      case OpCode.setData:
        MultiHeader.encode(writer, { type: OpCode.setData, done: false, err: 0 });
        return stat === null ? undefined : StatResponse.encode(writer, { stat });
      default:
        MultiHeader.encode(writer, { type: part.type, done: false, err: 0 });
    }
  });
  MultiHeader.encode(writer, END_OF_MULTI);
}

/** Who reads, with the watches that the read may set. */
export interface Reader {
  readonly sessionId: bigint;
  readonly identities: readonly Id[];
  readonly watches: ModelWatches;
}

/** The answer to a read; sets the watch that it asks for. Lists of names are given in order of name. */
export function readAnswer(state: ModelState, request: ReadRequest, reader: Reader): ExpectedAnswer {
  const { tree } = state;
  switch (request.kind) {
    case 'ping':
    case 'setWatches2': // its events are the checkers' business
      return ok();
    case 'sync':
      return ok((writer) => SyncResponse.encode(writer, { path: request.path }));
    case 'exists':
      return exists(tree, request.path, request.watch, reader);
    case 'getData':
    case 'getChildren':
    case 'getChildren2':
      return readNode(tree, request, reader);
    case 'getACL':
      return getAcl(tree, request.path, reader);
    case 'getAllChildrenNumber': {
      const err = refusal(tree, request.path, Perms.read, reader);
      const totalNumber = err === 0 ? tree.countDescendants(request.path) : 0;
      return err === 0 ? ok((writer) => GetAllChildrenNumberResponse.encode(writer, { totalNumber })) : failed(err);
    }
    case 'getEphemerals': {
      const ephemerals = tree.ephemeralsOf(reader.sessionId).filter((path) => path.startsWith(request.path));
      return ok((writer) => GetEphemeralsResponse.encode(writer, { ephemerals: ephemerals.sort() }));
    }
    case 'multiRead':
      return ok((writer) => multiRead(tree, request.parts, reader, writer));
    case 'addWatch':
      reader.watches.add(request.path, request.mode === 0 ? 'persistent' : 'recursive');
      return ok((writer) => ErrorResult.encode(writer, { err: 0 }));
    case 'checkWatches':
      return reader.watches.has(request.path, request.type) ? ok() : failed(ErrorNumber.NO_WATCHER);
    case 'removeWatches':
      return reader.watches.remove(request.path, request.type) ? ok() : failed(ErrorNumber.NO_WATCHER);
  }
}

function refusal(tree: ModelTree, path: string, perms: number, { identities }: Reader): number {
  const node = tree.nodes.get(path);
  if (node === undefined) {
    return ErrorNumber.NO_NODE;
  }
  return permits(node.acl, perms, identities) ? 0 : ErrorNumber.NO_AUTH;
}

function exists(tree: ModelTree, path: string, watch: boolean, reader: Reader): ExpectedAnswer {
  const err = refusal(tree, path, Perms.read, reader);
  if (watch && err !== ErrorNumber.NO_AUTH) {
    reader.watches.add(path, 'data');
  }
  return err === 0 ? ok((writer) => StatResponse.encode(writer, { stat: tree.stat(path) })) : failed(err);
}

type NodeRead = Extract<ReadRequest, { readonly watch: boolean }>;

function readNode(tree: ModelTree, { kind, path, watch }: NodeRead, reader: Reader): ExpectedAnswer {
  const err = refusal(tree, path, Perms.read, reader);
  if (err !== 0) {
    return failed(err);
  }
  const watchKind: ModelWatchKind = kind === 'getData' ? 'data' : 'child';
  if (watch) {
    reader.watches.add(path, watchKind);
  }
  const { data = null, children = [] } = tree.nodes.get(path) ?? {};
  const names = [...children].sort();
  return ok((writer) => {
    if (kind === 'getData') {
      GetDataResponse.encode(writer, { data, stat: tree.stat(path) });
    } else if (kind === 'getChildren') {
      GetChildrenResponse.encode(writer, { children: names });
    } else {
      GetChildren2Response.encode(writer, { children: names, stat: tree.stat(path) });
    }
  });
}

function getAcl(tree: ModelTree, path: string, reader: Reader): ExpectedAnswer {
  const err = refusal(tree, path, Perms.read | Perms.admin, reader);
  if (err !== 0) {
    return failed(err);
  }
  const acl = tree.nodes.get(path)?.acl ?? [];
  const visible = permits(acl, Perms.admin, reader.identities) ? acl : maskedAcl(acl);
  return ok((writer) => GetAclResponse.encode(writer, { acl: visible, stat: tree.stat(path) }));
}

function multiRead(
  tree: ModelTree,
  parts: readonly { readonly opcode: number; readonly path: string }[],
  reader: Reader,
  writer: JuteWriter,
): void {
  for (const { opcode, path } of parts) {
    const kind = opcode === OpCode.getData ? 'getData' : 'getChildren';
    const { err, body } = readNode(tree, { kind, path, watch: false }, reader);
    MultiHeader.encode(writer, { type: err === 0 ? opcode : OpCode.error, done: false, err });
    if (err === 0) {
      writer.raw(body);
    } else {
      ErrorResult.encode(writer, { err });
    }
  }
  MultiHeader.encode(writer, END_OF_MULTI);
}

/** A body whose list of names is in order of name, since servers may send it in any. */
export function withSortedNames(request: ReadRequest, body: Uint8Array): Uint8Array {
  const reader = new JuteReader(body);
  const writer = new JuteWriter();
  switch (request.kind) {
    case 'getChildren': {
      const { children } = GetChildrenResponse.decode(reader);
      GetChildrenResponse.encode(writer, { children: children.sort() });
      return writer.copy();
    }
    case 'getChildren2': {
      const { children, stat } = GetChildren2Response.decode(reader);
      GetChildren2Response.encode(writer, { children: children.sort(), stat });
      return writer.copy();
    }
    case 'getEphemerals': {
      const { ephemerals } = GetEphemeralsResponse.decode(reader);
      GetEphemeralsResponse.encode(writer, { ephemerals: ephemerals.sort() });
      return writer.copy();
    }
    case 'multiRead':
      sortMultiRead(request.parts, reader, writer);
      return writer.copy();
    default:
      return body;
  }
}

function sortMultiRead(parts: readonly unknown[], reader: JuteReader, writer: JuteWriter): void {
  for (let i = 0; i <= parts.length; i++) {
    const header = MultiHeader.decode(reader);
    MultiHeader.encode(writer, header);
    if (header.type === OpCode.getData) {
      GetDataResponse.encode(writer, GetDataResponse.decode(reader));
    } else if (header.type === OpCode.getChildren) {
      const { children } = GetChildrenResponse.decode(reader);
      GetChildrenResponse.encode(writer, { children: children.sort() });
    } else if (!header.done) {
      ErrorResult.encode(writer, ErrorResult.decode(reader));
    }
  }
}
