/** Writes that know how to be repeated: after a lost connection they look whether the first attempt has succeeded. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stat } from '@treekeeper/protocol';
import { backoffMs, type CallHandlers, type CallTerms } from './call.ts';
import type { Driver } from './driver.ts';
import { isTreekeeperError, TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import type { NewNode } from './new-node.ts';
import { type GetDataReply, operations } from './operations.ts';
import type { CreatedNode } from './types.ts';

/** Where a write goes: the server's path, and the names for an error. */
interface Target {
  readonly full: string;
  readonly path: string;
}

interface Repeatable<T> {
  attempt(): Promise<T>;
  /** Asked when an attempt was lost, behind a sync: what it has done; undefined when nothing is to be seen of it. */
  find(): Promise<T | undefined>;
  /** Whether nothing to be seen means that nothing was done. What a `set` has written may have been overwritten. */
  readonly showsAll: boolean;
  /** Whether the lost attempt is what the next one was refused for. */
  isOurs(error: unknown): boolean;
}

/** Attempts until the outcome is known. Where it stays unknown whether a lost attempt succeeded, the error says so. */
async function untilKnown<T>(driver: Driver, terms: CallTerms, call: Repeatable<T>): Promise<T> {
  const { attempt, find, isOurs, showsAll } = call;
  const policy = terms.retry === false ? {} : terms.retry;
  /** An attempt was lost, and nobody knows what became of it. */
  let isUncertain = false;
  const failure = (error: unknown): unknown => (isUncertain ? asUncertain(error) : error);
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      const isLost =
        isTreekeeperError(error, 'CONNECTION_LOSS') && attempts < (policy.attemptsMax ?? limits.retryAttemptsMax);
      if (!isLost && !(attempts > 1 && isOurs(error))) {
        throw failure(error);
      }
      if (isLost) {
        isUncertain = true;
        await sleep(backoffMs(policy, attempts));
      }
      const found = await findSynced(driver, terms, find).catch((fault: unknown) => {
        throw failure(fault);
      });
      if (found !== undefined) {
        return found;
      }
      isUncertain = isUncertain && !showsAll;
      if (!isLost) {
        throw failure(error);
      }
    }
  }
}

/** The failure of a call that an earlier attempt may have done all the same. */
function asUncertain(error: unknown): unknown {
  if (!isTreekeeperError(error) || error.retry === 'unknown') {
    return error;
  }
  const { code, operation, path, zxid, failedIndex } = error;
  const message = `the answer to an earlier attempt was lost, and it may have succeeded; the last one: ${error.message}`;
  return new TreekeeperError(code, { operation, path, zxid, failedIndex, retry: 'unknown', message, cause: error });
}

async function findSynced<T>(
  driver: Driver,
  terms: CallTerms,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  await driver.call(operations.sync, { path: '/' }, 'sync', undefined, terms, null, nothing);
  return await find();
}

const nothing = { finish: () => null };

/** The reply as it is; null if there is no node. */
function ifThere<T>(): CallHandlers<T, T | null> {
  return {
    finish: (value) => value,
    rescue: ({ code }) => (code === 'NO_NODE' ? { result: null } : undefined),
  };
}

function read(driver: Driver, { full, path }: Target, name: string, terms: CallTerms): Promise<GetDataReply | null> {
  const body = { path: full, watch: false };
  return driver.call(operations.get, body, name, path, terms, null, ifThere<GetDataReply>());
}

export function setNode(
  driver: Driver,
  target: Target,
  data: Uint8Array | null,
  version: number,
  terms: CallTerms,
): Promise<Stat> {
  const body = { path: target.full, data, version };
  return driver.call(operations.set, body, 'set', target.path, terms, null, statOf);
}

const statOf = { finish: ({ stat }: { stat: Stat }) => stat };

/** With a version: the next version with the very data is what the lost attempt has made. */
export function setNodeIdempotently(
  driver: Driver,
  target: Target,
  data: Uint8Array | null,
  version: number,
  terms: CallTerms,
): Promise<Stat> {
  const attempt = (): Promise<Stat> => setNode(driver, target, data, version, terms);
  const find = async (): Promise<Stat | undefined> => {
    const node = version === -1 ? null : await read(driver, target, 'set', terms);
    return node !== null && node.stat.version === version + 1 && sameData(node.data, data) ? node.stat : undefined;
  };
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'BAD_VERSION');
  return untilKnown(driver, terms, { attempt, find, showsAll: false, isOurs });
}

/** Sets the node, or makes it where there is none; anew if somebody makes or removes it meanwhile. */
export async function setOrCreate(set: () => Promise<Stat>, create: () => Promise<CreatedNode>): Promise<Stat> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await set();
    } catch (error) {
      if (!isTreekeeperError(error, 'NO_NODE') || attempts === limits.createParentsAttemptsMax) {
        throw error;
      }
    }
    try {
      return (await create()).stat;
    } catch (error) {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    }
  }
}

export function deleteNode(driver: Driver, { full, path }: Target, version: number, terms: CallTerms): Promise<void> {
  const body = { path: full, version };
  return driver.call(operations.delete, body, 'delete', path, terms, null, { finish: () => undefined });
}

/** A node that is gone after a lost attempt is a success, whoever has removed it. */
export async function deleteNodeIdempotently(
  driver: Driver,
  target: Target,
  version: number,
  terms: CallTerms,
): Promise<void> {
  const attempt = async (): Promise<true> => {
    await deleteNode(driver, target, version, terms);
    return true;
  };
  const find = async (): Promise<true | undefined> =>
    (await read(driver, target, 'delete', terms)) === null ? true : undefined;
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'NO_NODE');
  await untilKnown(driver, terms, { attempt, find, showsAll: true, isOurs });
}

export function createNode(driver: Driver, node: NewNode, path: string, terms: CallTerms): Promise<CreatedNode> {
  return driver.call(node.operation, node.body, 'create', path, terms, null, { finish: (node: CreatedNode) => node });
}

/** A node with the very data, and of this session if it is ephemeral, is what the lost attempt has made. */
export function createNodeIdempotently(
  driver: Driver,
  node: NewNode,
  path: string,
  isEphemeral: boolean,
  terms: CallTerms,
): Promise<CreatedNode> {
  const full = node.body.path as string;
  const find = async (): Promise<CreatedNode | undefined> => {
    const there = await read(driver, { full, path }, 'create', terms);
    const isOurs =
      there !== null &&
      sameData(there.data, node.body.data) &&
      there.stat.ephemeralOwner === (isEphemeral ? driver.session.sessionId : 0n);
    return isOurs ? { path: full, stat: there.stat } : undefined;
  };
  const attempt = (): Promise<CreatedNode> => createNode(driver, node, path, terms);
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'NODE_EXISTS');
  return untilKnown(driver, terms, { attempt, find, showsAll: true, isOurs });
}

/** The unique part of a protected name, as Curator and others write it; sorting by sequence number ignores it. */
export function protectedName(path: string): { readonly path: string; readonly prefix: string } {
  const slash = path.lastIndexOf('/') + 1;
  const prefix = `_c_${randomUUID()}-`;
  return { path: path.slice(0, slash) + prefix + path.slice(slash), prefix };
}

/** Finds the node by its unique prefix. If the call fails in the end, a node it may have made is removed. */
export async function createNodeProtected(
  driver: Driver,
  node: NewNode,
  path: string,
  prefix: string,
  terms: CallTerms,
): Promise<CreatedNode> {
  const full = node.body.path as string;
  const parent = full.slice(0, full.lastIndexOf('/'));
  const find = (): Promise<CreatedNode | undefined> => findProtected(driver, parent, prefix, path, terms);
  const attempt = (): Promise<CreatedNode> => createNode(driver, node, path, terms);
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'NODE_EXISTS');
  try {
    return await untilKnown(driver, terms, { attempt, find, showsAll: true, isOurs });
  } catch (error) {
    if (isTreekeeperError(error) && error.retry === 'unknown') {
      removeProtected(driver, parent, prefix, path).catch(() => null); // the caller has the first error
    }
    throw error;
  }
}

async function findProtected(
  driver: Driver,
  parent: string,
  prefix: string,
  path: string,
  terms: CallTerms,
): Promise<CreatedNode | undefined> {
  const body = { path: parent === '' ? '/' : parent, watch: false };
  const there = await driver.call(
    operations.children,
    body,
    'create',
    path,
    terms,
    null,
    ifThere<{ children: string[] }>(),
  );
  const name = there?.children.find((child) => child.startsWith(prefix));
  if (name === undefined) {
    return undefined;
  }
  const full = `${parent}/${name}`;
  const found = await read(driver, { full, path }, 'create', terms);
  return found === null ? undefined : { path: full, stat: found.stat };
}

/** Waits for the fate of what was sent to be settled, and undoes it. */
async function removeProtected(driver: Driver, parent: string, prefix: string, path: string): Promise<void> {
  const terms = driver.terms();
  const found = await findSynced(driver, terms, () => findProtected(driver, parent, prefix, path, terms));
  if (found !== undefined) {
    await deleteNodeIdempotently(driver, { full: found.path, path }, -1, terms);
  }
}

function sameData(a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean {
  if (a === null || a === undefined || b === null || b === undefined) {
    return (a ?? null) === (b ?? null);
  }
  return Buffer.compare(a, b) === 0;
}
