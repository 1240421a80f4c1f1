/** The nodes that the clients of one episode use, and what is left of them. */
import { type ACL, type Client, connect, digestId, Perms } from '@treekeeper/client';
import type { Final, FinalState, History, Totals } from './history.ts';
import { FIRST_VALUE } from './judge.ts';

export const REGISTERS = 8;

/** What the clients of one episode share. */
export interface Ground {
  readonly history: History;
  /** Everything happens below this path. */
  readonly root: string;
  /** `host:port` of every server. */
  readonly servers: string;
  readonly sessionTimeoutMs: number;
}

/** Who may do what nobody else may. */
const OWNER = { user: 'torture', password: 'secret' } as const;
export const ownerAuth = { scheme: 'digest', credentials: `${OWNER.user}:${OWNER.password}` } as const;
const ownerAcl: readonly ACL[] = [
  { perms: Perms.all, id: { scheme: 'digest', id: digestId(OWNER.user, OWNER.password) } },
];

/** Nodes below `closed`: one that its owners change, one that nobody does, and what is in them. */
export const OWNERS_NODE = 'ours';
export const UNTOUCHED_NODE = 'untouched';
export const INNER_NODE = 'inner';

/** Of the subtree below `limited`. */
export const limits: Totals = { count: 12, sizeBytes: 20_000 };

/** Nodes below `watched`; those of the first kind are always there, and have children of these names. */
export const WATCHED_PARENTS = ['w0', 'w1'] as const;
export const WATCHED_LEAVES = ['w2', 'w3'] as const;
export const WATCHED_CHILDREN = ['a', 'b', 'c'] as const;
/** The last change below `watched`. */
export const MARK = 'mark';

/** A node outside of everything that is watched or counted: a change of it says when a deletion beside it was. */
export function tombstoneOf({ root }: Ground): string {
  return `${root}/tombstone`;
}

function quotaOf(root: string): string {
  return `/zookeeper/quota${root}`;
}

const patient = { createParents: true, idempotent: true, retry: { attemptsMax: 100 } } as const;

/** Makes the nodes that the clients use. */
export async function prepareGround({ root, servers }: Ground): Promise<void> {
  await using client = await connect(servers, {
    connectTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
    auth: [ownerAuth],
  });
  const folders = ['queue', 'owned', 'tombstone', 'limited', ...WATCHED_PARENTS.map((name) => `watched/${name}`)];
  for (const folder of folders) {
    await client.create(`${root}/${folder}`, null, patient);
  }
  for (let i = 0; i < REGISTERS; i++) {
    await client.create(`${root}/registers/r${i}`, FIRST_VALUE, patient);
  }
  await client.create(`${root}/closed`, null, patient);
  for (const name of [OWNERS_NODE, UNTOUCHED_NODE]) {
    await client.create(`${root}/closed/${name}`, FIRST_VALUE, { ...patient, acl: ownerAcl });
    await client.create(`${root}/closed/${name}/${INNER_NODE}`, FIRST_VALUE, { ...patient, acl: ownerAcl });
  }
  const { count, sizeBytes } = limits;
  const text = `count=-1,bytes=-1=;byteHardLimit=${sizeBytes};countHardLimit=${count}`;
  await client.create(`${quotaOf(root)}/limited/zookeeper_limits`, text, patient);
  await client.create(`${quotaOf(root)}/limited/zookeeper_stats`, null, patient);
}

/** Takes away what is left of an episode. */
export async function removeGround(root: string, servers: string): Promise<void> {
  await using client = await connect(servers, { requestTimeoutMs: 60_000, auth: [ownerAuth] });
  await client.deleteRecursive(quotaOf(root));
  await client.deleteRecursive(root);
}

/** The short names of long values: they begin with it. */
export function nameOf(value: Uint8Array): string {
  return Buffer.from(value.subarray(0, 40)).toString().split(' ', 1)[0];
}

/** Reads what the clients of an episode have left. */
export async function readFinal(root: string, servers: string): Promise<FinalState> {
  await using client = await connect(servers, { connectTimeoutMs: 60_000, auth: [ownerAuth] });
  await client.sync('/');
  const owned = await client.children(`${root}/owned`);
  return {
    registers: await readBelow(client, `${root}/registers`),
    appended: await readBelow(client, `${root}/queue`),
    owned: owned.map((name) => `${root}/owned/${name}`),
    watched: await readBelow(client, `${root}/watched`),
    closed: await readBelow(client, `${root}/closed`),
  };
}

/** All nodes below a path, in order. */
async function readBelow(client: Client, folder: string): Promise<Map<string, Final>> {
  const nodes = new Map<string, Final>();
  const names = await client.children(folder);
  const paths = names.sort().map((name) => `${folder}/${name}`);
  const values = await Promise.all(paths.map((path) => client.get(path)));
  for (const [i, { value, stat }] of values.entries()) {
    nodes.set(paths[i], { value: nameOf(value), version: stat.version, zxid: stat.mzxid });
    if (stat.numChildren > 0) {
      for (const [path, node] of await readBelow(client, paths[i])) {
        nodes.set(path, node);
      }
    }
  }
  return nodes;
}
