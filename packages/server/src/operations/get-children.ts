/** getChildren, getChildren2 and getAllChildrenNumber. */
import {
  ErrorNumber,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  OpCode,
  PathRequest,
  Perms,
  WatchedPathRequest,
} from '@treekeeper/protocol';
import type { ReadOperation, Requester, World } from './operation.ts';

/** The node whose children may be listed, with the watch set; a negative error number otherwise. */
function watchedNode({ tree, access, watches }: World, requester: Requester, request: WatchedPathRequest): number {
  const node = tree.find(request.path);
  if (node === 0) {
    return ErrorNumber.NO_NODE;
  }
  if (!access.permits(tree.acl(node), Perms.read, requester.identities)) {
    return ErrorNumber.NO_AUTH;
  }
  if (request.watch) {
    watches.add(request.path, requester.watcher, 'child');
  }
  return node;
}

/** What a child's name takes in an answer, its length included: most are shorter. */
const CHILD_BYTES = 32;

function childrenBytes({ tree }: World, { path }: WatchedPathRequest): number {
  const node = tree.find(path);
  return node === 0 ? 0 : tree.childCount(node) * CHILD_BYTES;
}

export const getChildren: ReadOperation<WatchedPathRequest> = {
  kind: 'read',
  name: 'getChildren',
  opcode: OpCode.getChildren,
  request: WatchedPathRequest,
  replyBytes: childrenBytes,
  answer(world, requester, request, reply) {
    const node = watchedNode(world, requester, request);
    if (node < 0) {
      return node;
    }
    GetChildrenResponse.encode(reply, { children: world.tree.children(node) });
    return 0;
  },
};

export const getChildren2: ReadOperation<WatchedPathRequest> = {
  kind: 'read',
  name: 'getChildren2',
  opcode: OpCode.getChildren2,
  request: WatchedPathRequest,
  replyBytes: childrenBytes,
  answer(world, requester, request, reply) {
    const node = watchedNode(world, requester, request);
    if (node < 0) {
      return node;
    }
    GetChildren2Response.encode(reply, { children: world.tree.children(node), stat: world.tree.stat(node) });
    return 0;
  },
};

export const getAllChildrenNumber: ReadOperation<PathRequest> = {
  kind: 'read',
  name: 'getAllChildrenNumber',
  opcode: OpCode.getAllChildrenNumber,
  request: PathRequest,
  answer({ tree, access }, { identities }, { path }, reply) {
    const node = tree.find(path);
    if (node === 0) {
      return ErrorNumber.NO_NODE;
    }
    if (!access.permits(tree.acl(node), Perms.read, identities)) {
      return ErrorNumber.NO_AUTH;
    }
    GetAllChildrenNumberResponse.encode(reply, { totalNumber: tree.countDescendants(node) });
    return 0;
  },
};
