/** What a create request carries: mode, time to live, ACL. */
import { type ACL, CreateMode } from '@treekeeper/protocol';
import { TreekeeperError } from './errors.ts';
import { nearest } from './nearest.ts';
import { type CreateBody, type Operation, operations } from './operations.ts';
import { toServer, toServerSequential } from './rooted-path.ts';
import type { CreatedNode, CreateModeName, NewNodeOptions } from './types.ts';

interface ModeRow {
  readonly flags: number;
  readonly isSequential: boolean;
  readonly operation: 'create' | 'createContainer' | 'createTtl';
}

const modes: Readonly<Record<CreateModeName, ModeRow>> = {
  persistent: { flags: CreateMode.persistent, isSequential: false, operation: 'create' },
  ephemeral: { flags: CreateMode.ephemeral, isSequential: false, operation: 'create' },
  'persistent-sequential': { flags: CreateMode.persistentSequential, isSequential: true, operation: 'create' },
  'ephemeral-sequential': { flags: CreateMode.ephemeralSequential, isSequential: true, operation: 'create' },
  container: { flags: CreateMode.container, isSequential: false, operation: 'createContainer' },
  'persistent-ttl': { flags: CreateMode.persistentWithTtl, isSequential: false, operation: 'createTtl' },
  'persistent-sequential-ttl': {
    flags: CreateMode.persistentSequentialWithTtl,
    isSequential: true,
    operation: 'createTtl',
  },
};

/** A create request, ready to be sent alone or in a transaction. */
export interface NewNode {
  readonly operation: Operation<CreateBody, CreatedNode>;
  readonly body: CreateBody;
  readonly isSequential: boolean;
}

/** The ACL of nodes that are made without one of their own. */
export type DefaultAcl = readonly ACL[] | ((full: string) => readonly ACL[]);

export function aclOf(fallback: DefaultAcl, full: string): readonly ACL[] {
  return typeof fallback === 'function' ? fallback(full) : fallback;
}

/** Throws INVALID_PATH or INVALID_OPTION. */
export function newNode(
  root: string,
  path: string,
  data: Uint8Array | null,
  options: NewNodeOptions,
  fallback: DefaultAcl,
): NewNode {
  const { mode = 'persistent', ttlMs } = options;
  const row = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
  if (row === undefined) {
    const guess = nearest(mode, Object.keys(modes));
    throw invalid(path, `there is no mode "${mode}"${guess === null ? '' : `; did you mean "${guess}"?`}`);
  }
  const hasTtl = row.operation === 'createTtl';
  if (hasTtl !== (ttlMs !== undefined)) {
    throw invalid(path, hasTtl ? `mode ${mode} needs ttlMs` : `ttlMs is for the modes with TTL, not for ${mode}`);
  }
  if (ttlMs !== undefined && !Number.isSafeInteger(ttlMs)) {
    throw invalid(path, `ttlMs is a whole number of milliseconds, not ${ttlMs}`);
  }
  const full = row.isSequential ? toServerSequential(root, path, 'create') : toServer(root, path, 'create');
  const acl = options.acl ?? aclOf(fallback, full);
  return {
    operation: operations[row.operation],
    body: { path: full, data, acl, flags: row.flags, ttl: ttlMs ?? 0 },
    isSequential: row.isSequential,
  };
}

function invalid(path: string, message: string): TreekeeperError {
  return new TreekeeperError('INVALID_OPTION', { operation: 'create', path, message });
}
