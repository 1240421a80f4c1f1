/** Writes that know how to be repeated: after a lost connection they look whether the first attempt has succeeded. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stat } from '@treekeeper/protocol';
import { backoffMs, type CallHandlers, type CallTerms } from './call.ts';
import { type Driver, TIMER_EARLY_MS } from './driver.ts';
import { inDoubt, isTreekeeperError, type TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import type { NewNode } from './new-node.ts';
import { type GetDataReply, operations } from './operations.ts';
import type { CreatedNode, RetryPolicy } from './types.ts';

/** Where a write goes: the server's path, and the names for an error. */
interface Target {
  readonly full: string;
  readonly path: string;
}

interface Repeatable<T> {
  /** For errors. */
  readonly name: 'create' | 'set' | 'delete';
  readonly path: string;
  attempt(terms: CallTerms): Promise<T>;
  /** Asked when an attempt was lost, behind a sync: what it has done; undefined when nothing is to be seen of it. */
  find(): Promise<T | undefined>;
  /** Whether the lost attempt can be what the next one was refused for. */
  isOurs(error: unknown): boolean;
}

/**
 * The steps of one call. After one that may have happened unseen, no failure of a later one is safe to repeat: nothing
 * to be seen of it can also mean that somebody has undone or overwritten it.
 */
export class Steps {
  #isInDoubt = false;

  /** A step is lost, and nobody has found out what became of it. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      const failure = this.#isInDoubt ? inDoubt(error) : error;
      this.#isInDoubt ||= isTreekeeperError(error) && error.retry === 'unknown';
      throw failure;
    }
  }
}

/** Attempts until the outcome is known. */
async function untilKnown<T>(driver: Driver, terms: CallTerms, call: Repeatable<T>): Promise<T> {
  const policy = terms.retry === false ? {} : terms.retry;
  const { attemptsMax = limits.retryAttemptsMax } = policy;
  const attemptTerms = { ...terms, retry: withoutUnknown(terms.retry) };
  const steps = new Steps();
  for (let attempts = 1; ; attempts++) {
    try {
      return await steps.run(() => call.attempt(attemptTerms));
    } catch (error) {
      const isLost = isTreekeeperError(error, 'CONNECTION_LOSS');
      const isKnown = isLost ? attempts >= attemptsMax : !(steps.isInDoubt && call.isOurs(error));
      if (isKnown) {
        throw error;
      }
      if (isLost) {
        await pause(driver, terms, backoffMs(policy, attempts));
      }
      const found = await steps.run(() => findSynced(driver, terms, call));
      if (found !== undefined) {
        return found;
      }
      if (!isLost) {
        throw error;
      }
    }
  }
}

/** What may have happened is looked for before it is repeated, whatever the program says of repetitions. */
function withoutUnknown(policy: RetryPolicy | false): RetryPolicy | false {
  const when = policy === false ? undefined : policy.when;
  return when === undefined
    ? policy
    : { ...policy, when: (error, attempt) => error.retry !== 'unknown' && when(error, attempt) };
}

/** Ends with the call at the latest: its next step says what has ended it. */
async function pause(driver: Driver, { signal, deadlineMs }: CallTerms, pauseMs: number): Promise<void> {
  const delayMs = Math.max(0, Math.min(pauseMs, deadlineMs + TIMER_EARLY_MS - driver.nowMs));
  await sleep(delayMs, undefined, { signal }).catch(() => undefined);
}

async function findSynced<T>(
  driver: Driver,
  terms: CallTerms,
  { name, path, find }: Pick<Repeatable<T>, 'name' | 'path' | 'find'>,
): Promise<T | undefined> {
  await driver.call(operations.sync, { path: '/' }, name, path, terms, null, nothing);
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
  const attempt = (careful: CallTerms): Promise<Stat> => setNode(driver, target, data, version, careful);
  const find = async (): Promise<Stat | undefined> => {
    const node = version === -1 ? null : await read(driver, target, 'set', terms);
    return node !== null && node.stat.version === version + 1 && sameData(node.data, data) ? node.stat : undefined;
  };
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'BAD_VERSION');
  return untilKnown(driver, terms, { name: 'set', path: target.path, attempt, find, isOurs });
}

/** Sets the node, or makes it where there is none; anew if somebody makes or removes it meanwhile. */
export async function setOrCreate(set: () => Promise<Stat>, create: () => Promise<CreatedNode>): Promise<Stat> {
  const steps = new Steps();
  for (let attempts = 1; ; attempts++) {
    try {
      return await steps.run(set);
    } catch (error) {
      if (!isTreekeeperError(error, 'NO_NODE') || attempts === limits.createParentsAttemptsMax) {
        throw error;
      }
    }
    try {
      return (await steps.run(create)).stat;
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
  const attempt = async (careful: CallTerms): Promise<true> => {
    await deleteNode(driver, target, version, careful);
    return true;
  };
  const find = async (): Promise<true | undefined> =>
    (await read(driver, target, 'delete', terms)) === null ? true : undefined;
  const isOurs = (error: unknown): boolean => isTreekeeperError(error, 'NO_NODE');
  await untilKnown(driver, terms, { name: 'delete', path: target.path, attempt, find, isOurs });
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
  return untilKnown(driver, terms, { name: 'create', path, ...creating(driver, node, path), find });
}

/** An attempt at making the node, and what it is refused for when an earlier one has. */
function creating(driver: Driver, node: NewNode, path: string) {
  return {
    attempt: (careful: CallTerms): Promise<CreatedNode> => createNode(driver, node, path, careful),
    isOurs: (error: unknown): boolean => isTreekeeperError(error, 'NODE_EXISTS'),
  };
}

/** The unique part of a protected name, as Curator and others write it; sorting by sequence number ignores it. */
export function protectedName(path: string): { readonly path: string; readonly prefix: string } {
  const slash = path.lastIndexOf('/') + 1;
  const prefix = `_c_${randomUUID()}-`;
  return { path: path.slice(0, slash) + prefix + path.slice(slash), prefix };
}

/**
 * Finds the node by its unique prefix. `within` runs the creation, again if need be; if that fails in the end, a node
 * that may have been made is removed.
 */
export async function createNodeProtected(
  driver: Driver,
  node: NewNode,
  path: string,
  prefix: string,
  terms: CallTerms,
  within: (create: () => Promise<CreatedNode>) => Promise<CreatedNode>,
): Promise<CreatedNode> {
  const find = (): Promise<CreatedNode | undefined> => findProtected(driver, node, prefix, path, terms);
  const call = { name: 'create', path, ...creating(driver, node, path), find } as const;
  try {
    return await within(() => untilKnown(driver, terms, call));
  } catch (error) {
    if (!isTreekeeperError(error) || error.retry === 'unknown') {
      removeProtected(driver, node, prefix, path).catch(() => null); // the caller has the first error
    }
    throw error;
  }
}

async function findProtected(
  driver: Driver,
  { body }: NewNode,
  prefix: string,
  path: string,
  terms: CallTerms,
): Promise<CreatedNode | undefined> {
  const asked = body.path as string;
  const parent = asked.slice(0, asked.lastIndexOf('/'));
  const children = { path: parent === '' ? '/' : parent, watch: false };
  const handlers = ifThere<{ children: string[] }>();
  const there = await driver.call(operations.children, children, 'create', path, terms, null, handlers);
  const name = there?.children.find((child) => child.startsWith(prefix));
  if (name === undefined) {
    return undefined;
  }
  const full = `${parent}/${name}`;
  const found = await read(driver, { full, path }, 'create', terms);
  return found === null ? undefined : { path: full, stat: found.stat };
}

/** Settles when no such node is there, or the session has ended; nobody waits for it, so it takes its time. */
async function removeProtected(driver: Driver, node: NewNode, prefix: string, path: string): Promise<void> {
  const when = ({ retry, code }: TreekeeperError): boolean =>
    retry === 'safe' || (code === 'SESSION_EXPIRED' && driver.session.state === 'connecting'); // in a new session
  const retry = { attemptsMax: Number.POSITIVE_INFINITY, when };
  const terms = { signal: undefined, deadlineMs: Number.POSITIVE_INFINITY, retry };
  const find = (): Promise<CreatedNode | undefined> => findProtected(driver, node, prefix, path, terms);
  const found = await findSynced(driver, terms, { name: 'create', path, find });
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
