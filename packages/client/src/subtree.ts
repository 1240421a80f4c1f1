/** Calls that go over several levels of the tree: missing parents, whole subtrees. */
import { CreateMode } from '@treekeeper/protocol';
import { type CallHandlers, type CallTerms, isPassing } from './call.ts';
import type { Driver } from './driver.ts';
import { isTreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import { aclOf, type NewNode } from './new-node.ts';
import { operations } from './operations.ts';
import type { CreatedNode } from './types.ts';
import { createNode, deleteNodeIdempotently, Steps } from './writes.ts';

const NOTHING = new Uint8Array(0);

/** Runs `create`; when its parent is missing, makes the parents from the top and runs it again. */
export async function withParents(
  driver: Driver,
  full: string,
  path: string,
  kind: true | 'container',
  terms: CallTerms,
  create: () => Promise<CreatedNode>,
): Promise<CreatedNode> {
  const steps = new Steps();
  for (let attempts = 1; ; attempts++) {
    try {
      return await steps.run(create);
    } catch (error) {
      if (!isTreekeeperError(error, 'NO_NODE') || attempts === limits.createParentsAttemptsMax) {
        throw error;
      }
    }
    const parents = ancestors(full);
    await steps.run(() => Promise.all(parents.map((parent) => ensure(driver, parent, path, kind, terms))));
  }
}

/** From the top; without the root and the node itself. */
function ancestors(full: string): string[] {
  const paths: string[] = [];
  for (let at = full.indexOf('/', 1); at > 0; at = full.indexOf('/', at + 1)) {
    paths.push(full.slice(0, at));
  }
  return paths;
}

async function ensure(
  driver: Driver,
  full: string,
  path: string,
  kind: true | 'container',
  terms: CallTerms,
): Promise<void> {
  const isContainer = kind === 'container';
  const node: NewNode = {
    operation: isContainer ? operations.createContainer : operations.create,
    body: {
      path: full,
      data: NOTHING,
      acl: aclOf(driver.settings.acl, full),
      flags: isContainer ? CreateMode.container : CreateMode.persistent,
      ttl: 0,
    },
    isSequential: false,
  };
  try {
    await createNode(driver, node, path, terms);
  } catch (error) {
    // Lost on the way is no harm: the node behind it will tell. Nor is it if somebody may not create what is there.
    const isFine = ['NODE_EXISTS', 'CONNECTION_LOSS', 'NO_AUTH', 'NO_NODE'].some(
      (code) => isTreekeeperError(error) && error.code === code,
    );
    if (!isFine) {
      throw error;
    }
  }
}

/** Removes a subtree and returns how many nodes went. `keep` is not removed, nor what is in `spared`. */
export async function deleteSubtree(
  driver: Driver,
  full: string,
  path: string,
  keepTop: boolean,
  spared: ReadonlySet<string>,
  terms: CallTerms,
): Promise<number> {
  let removed = 0;
  const { retry } = terms;
  // Whichever comes first: what is refused in passing is repeated, which a write by itself is not.
  const patient = retry === false ? terms : { ...terms, retry: { ...retry, when: retry.when ?? isPassing } };
  for (;;) {
    const nodes = await subtree(driver, full, path, spared, terms);
    const victims = keepTop ? nodes.slice(1) : nodes;
    const { count, isComplete } = await deleteAll(driver, victims.reverse(), path, patient);
    removed += count;
    if (isComplete) {
      return removed;
    }
  }
}

/** Parents before their children. */
async function subtree(
  driver: Driver,
  full: string,
  path: string,
  spared: ReadonlySet<string>,
  terms: CallTerms,
): Promise<string[]> {
  const nodes = [full];
  for (let at = 0; at < nodes.length; ) {
    const some = nodes.slice(at, at + limits.subtreeWindow);
    at += some.length;
    const lists = await Promise.all(some.map((node) => childrenOf(driver, node, path, terms)));
    for (const [i, list] of lists.entries()) {
      const parent = some[i] === '/' ? '' : some[i];
      nodes.push(...(list ?? []).map((name) => `${parent}/${name}`).filter((node) => !spared.has(node)));
    }
  }
  return nodes;
}

function childrenOf(driver: Driver, full: string, path: string, terms: CallTerms): Promise<string[] | null> {
  const handlers: CallHandlers<{ children: string[] }, string[] | null> = {
    finish: ({ children }) => children,
    rescue: ({ code }) => (code === 'NO_NODE' ? { result: null } : undefined),
  };
  const body = { path: full, watch: false };
  return driver.call(operations.children, body, 'deleteRecursive', path, terms, null, handlers);
}

/** Requests of a session are done in their order: children can be on their way together with their parents. */
async function deleteAll(
  driver: Driver,
  nodes: readonly string[],
  path: string,
  terms: CallTerms,
): Promise<{ count: number; isComplete: boolean }> {
  let count = 0;
  let isComplete = true;
  const deleteOne = async (full: string): Promise<void> => {
    try {
      await deleteNodeIdempotently(driver, { full, path }, -1, terms);
      count++;
    } catch (error) {
      if (isTreekeeperError(error, 'NOT_EMPTY')) {
        isComplete = false; // somebody has added to it meanwhile: once more
      } else if (!isTreekeeperError(error, 'NO_NODE')) {
        throw error;
      }
    }
  };
  for (let at = 0; at < nodes.length; at += limits.subtreeWindow) {
    await Promise.all(nodes.slice(at, at + limits.subtreeWindow).map(deleteOne));
  }
  return { count, isComplete };
}
