/**
 * A million nodes of 100 bytes in the tree's columns, and as objects in a Map: memory, and what a full collection
 * takes.
 * After `npm run build`: node --expose-gc bench/micro/tree.js columns; node --expose-gc bench/micro/tree.js objects
 */
import { DataTree } from '@treekeeper/server/internal';

const PARENTS = 1000;
const NODES = 1_000_000;
const data = new Uint8Array(100);

function columns() {
  const tree = new DataTree({
    digestEnabled: false,
    ownerRules: { extendedTypesEnabled: false, emulate353TtlNodes: false },
  });
  tree.acls.load(1n, [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]);
  const stat = {
    czxid: 1n,
    mzxid: 1n,
    ctime: 1n,
    mtime: 1n,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0n,
    pzxid: 1n,
  };
  tree.loadNode('', new Uint8Array(0), 1n, stat);
  for (let i = 0; i < PARENTS; i++) {
    tree.loadNode(`/d${i}`, data, 1n, stat);
  }
  for (let i = 0; i < NODES; i++) {
    tree.loadNode(`/d${i % PARENTS}/node-${i}`, data, 1n, stat);
  }
  return tree;
}

function objects() {
  const nodes = new Map();
  for (let i = 0; i < PARENTS; i++) {
    nodes.set(`/d${i}`, { children: new Set() });
  }
  for (let i = 0; i < NODES; i++) {
    const name = `node-${i}`;
    const parent = `/d${i % PARENTS}`;
    const timeMs = 1_795_239_686_056 + i;
    nodes.set(`${parent}/${name}`, {
      data: data.slice(),
      acl: 1,
      czxid: i,
      mzxid: i,
      ctime: timeMs,
      mtime: timeMs,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      pzxid: i,
      children: null,
    });
    nodes.get(parent).children.add(name);
  }
  return nodes;
}

const variant = process.argv[2] === 'objects' ? objects : columns;
const rssBefore = process.memoryUsage().rss;
globalThis.kept = variant();
globalThis.gc();
const began = performance.now();
globalThis.gc();
const collectionMs = performance.now() - began;
const { rss, heapUsed } = process.memoryUsage();
const mb = (bytes) => Math.round(bytes / 2 ** 20);
console.log(
  `${variant.name}: resident ${mb(rss - rssBefore)} MB, JavaScript heap ${mb(heapUsed)} MB, ` +
    `full collection ${Math.round(collectionMs)} ms`,
);
