/** Everything that can be seen of a tree, of the compact and of the naive one, in one comparable shape. */
import type { ACL, EncodableStat } from '@treekeeper/protocol';
import type { DataTree, NodeId } from '../../src/tree/data-tree.ts';
import { type NaiveTree, parentOf } from './naive-tree.ts';

interface NodeImage {
  path: string;
  name: string;
  data: string | null;
  acl: readonly ACL[];
  aclId: bigint;
  owner: bigint;
  kind: string;
  persistedCversion: number;
  digest: number;
  children: string[];
  descendants: number;
  stat: EncodableStat;
}

export interface TreeImage {
  digest: bigint;
  nodeCount: number;
  dataSize: number;
  acls: string[];
  ephemerals: Record<string, string[]>;
  ephemeralsCount: number;
  containers: string[];
  ttlNodes: string[];
  nodes: NodeImage[];
}

const base64 = (data: Uint8Array | null) => (data === null ? null : Buffer.from(data).toString('base64'));
const shown = (path: string) => (path === '' ? '/' : path);

function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : 1;
}

export function imageOf(tree: DataTree): TreeImage {
  const nodes: NodeImage[] = [];
  const walk = tree.walk(Number.MAX_SAFE_INTEGER);
  for (let node = walk.next(); node !== 0; node = walk.next()) {
    nodes.push(nodeImage(tree, node));
  }
  const sessions = [...tree.sessionsWithEphemerals()].sort();
  return {
    digest: tree.digest,
    nodeCount: tree.nodeCount,
    dataSize: tree.approximateDataSize,
    acls: Array.from(tree.acls.entries(), ([id, acl]) => `${id} ${JSON.stringify(acl)}`).sort(),
    ephemerals: Object.fromEntries(sessions.map((session) => [`${session}`, tree.ephemeralsOf(session).sort()])),
    ephemeralsCount: tree.ephemeralsCount,
    containers: [...tree.containers()].sort(),
    ttlNodes: [...tree.ttlNodes()].sort(),
    nodes: nodes.sort(byPath),
  };
}

function nodeImage(tree: DataTree, node: NodeId): NodeImage {
  return {
    path: tree.path(node),
    name: tree.name(node),
    data: base64(tree.data(node)),
    acl: tree.acl(node),
    aclId: tree.aclId(node),
    owner: tree.owner(node),
    kind: tree.ownerKind(node),
    persistedCversion: tree.cversion(node),
    digest: tree.nodeDigest(node),
    children: tree.children(node).sort(),
    descendants: tree.countDescendants(node),
    stat: { ...tree.stat(node) },
  };
}

export function imageOfNaive(tree: NaiveTree): TreeImage {
  const paths = [...tree.nodes.keys()];
  const ofKind = (kind: string) => paths.filter((path) => tree.kind(path) === kind).sort();
  const sessions = [...new Set(ofKind('ephemeral').map((path) => tree.nodes.get(path)?.owner as bigint))].sort();
  const owned = (session: bigint) => ofKind('ephemeral').filter((path) => tree.nodes.get(path)?.owner === session);
  return {
    digest: tree.digest,
    nodeCount: paths.length,
    dataSize: tree.approximateDataSize,
    acls: tree.acls.map(({ id, acl }) => `${id} ${JSON.stringify(acl)}`).sort(),
    ephemerals: Object.fromEntries(sessions.map((session) => [`${session}`, owned(session)])),
    ephemeralsCount: ofKind('ephemeral').length,
    containers: ofKind('container'),
    ttlNodes: ofKind('ttl'),
    nodes: paths.map((path) => naiveNodeImage(tree, path)).sort(byPath),
  };
}

function naiveNodeImage(tree: NaiveTree, path: string): NodeImage {
  const node = tree.nodes.get(path);
  if (node === undefined) {
    throw new Error(`no ${path}`);
  }
  const children = tree.childrenOf(path).map((child) => child.slice(parentOf(child).length + 1));
  const kind = tree.kind(path);
  return {
    path: shown(path),
    name: path.slice(path.lastIndexOf('/') + 1),
    data: base64(node.data),
    acl: tree.aclOf(path),
    aclId: node.aclId,
    owner: node.owner,
    kind,
    persistedCversion: node.cversion,
    digest: tree.nodeDigest(path),
    children: children.sort(),
    descendants: path === '' ? tree.nodes.size - 1 : tree.below(path).length,
    stat: {
      czxid: node.czxid,
      mzxid: node.mzxid,
      ctime: node.ctimeMs,
      mtime: node.mtimeMs,
      version: node.version,
      cversion: 2 * node.cversion - children.length,
      aversion: node.aversion,
      ephemeralOwner: kind === 'ephemeral' ? node.owner : 0n,
      dataLength: node.data?.length ?? 0,
      numChildren: children.length,
      pzxid: node.pzxid,
    },
  };
}
