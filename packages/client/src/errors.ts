import { type ErrorCode, errorCodeOf } from '@treekeeper/protocol';

/**
 * What repeating a failed call means: `safe` (nothing happened, it may succeed later), `unknown` (it may have happened),
 * `pointless` (the same call fails again).
 *
 * @example
 * ```ts
 * const retry: RetryAdvice = new TreekeeperError('NO_NODE').retry;
 * console.assert(retry === 'pointless');
 * ```
 */
export type RetryAdvice = 'safe' | 'unknown' | 'pointless';

interface ErrorRow {
  readonly retry: RetryAdvice;
  readonly meaning: string;
  readonly remedy: string;
}

/** The one table. The codes above the line are the server's answers, by their names in ZooKeeper. */
export const errorTable = {
  SYSTEM_ERROR: { retry: 'unknown', meaning: 'the server failed in a way of its own', remedy: 'see the server’s log' },
  MARSHALLING_ERROR: {
    retry: 'pointless',
    meaning: 'the server could not read the request, or failed while it handled it',
    remedy: 'see the server’s log; an older server may not know what was asked',
  },
  UNIMPLEMENTED: {
    retry: 'pointless',
    meaning: 'the server does not have this operation',
    remedy: 'update the server, or set extendedTypesEnabled there for TTL nodes',
  },
  BAD_ARGUMENTS: {
    retry: 'pointless',
    meaning: 'the server refuses the path, mode, TTL or configuration text',
    remedy: 'correct the arguments',
  },
  NEW_CONFIG_NO_QUORUM: {
    retry: 'safe',
    meaning: 'no quorum of the new ensemble is connected and up to date',
    remedy: 'start the joining servers as observers and wait until they follow',
  },
  RECONFIG_IN_PROGRESS: { retry: 'safe', meaning: 'another reconfiguration is running', remedy: 'wait for its end' },
  NO_NODE: {
    retry: 'pointless',
    meaning: 'the node does not exist (for create: its parent does not)',
    remedy: 'create it first, or use createParents',
  },
  NO_AUTH: {
    retry: 'pointless',
    meaning: 'a permission is missing',
    remedy: 'add credentials with addAuth, or change the node’s ACL',
  },
  BAD_VERSION: {
    retry: 'pointless',
    meaning: 'the node has another version than the one expected',
    remedy: 'read the node again and decide anew',
  },
  NO_CHILDREN_FOR_EPHEMERALS: {
    retry: 'pointless',
    meaning: 'ephemeral nodes have no children',
    remedy: 'make the parent persistent or a container',
  },
  NODE_EXISTS: { retry: 'pointless', meaning: 'the node exists already', remedy: 'set it, or choose another name' },
  NOT_EMPTY: { retry: 'pointless', meaning: 'the node has children', remedy: 'use deleteRecursive' },
  SESSION_EXPIRED: {
    retry: 'pointless',
    meaning: 'the session is gone, and its ephemeral nodes with it',
    remedy: 'connect again, or let the client do so with onExpired: "new-session"',
  },
  INVALID_ACL: {
    retry: 'pointless',
    meaning: 'the ACL is empty, or names a scheme or identity that the server does not accept',
    remedy: 'correct the ACL; scheme auth needs credentials on this connection',
  },
  AUTH_FAILED: {
    retry: 'pointless',
    meaning: 'the server refused the credentials',
    remedy: 'correct scheme, user or password, and connect again',
  },
  SESSION_MOVED: { retry: 'safe', meaning: 'the session is served by another server now', remedy: 'repeat the call' },
  NOT_READ_ONLY: {
    retry: 'safe',
    meaning: 'the server takes no writes now: it has no quorum, or its disk is full',
    remedy: 'wait until the state is "connected" again, or look after the server',
  },
  EPHEMERAL_ON_LOCAL_SESSION: {
    retry: 'pointless',
    meaning: 'a local session cannot own ephemeral nodes',
    remedy: 'set localSessionsUpgradingEnabled on the servers',
  },
  NO_WATCHER: { retry: 'pointless', meaning: 'there is no such watch', remedy: 'nothing: there is none to remove' },
  RECONFIG_DISABLED: {
    retry: 'pointless',
    meaning: 'reconfiguration is off on this server',
    remedy: 'set reconfigEnabled=true there',
  },
  SESSION_CLOSED_REQUIRE_AUTH: {
    retry: 'pointless',
    meaning: 'the server wants authentication before anything else',
    remedy: 'give options sasl or auth to connect()',
  },
  QUOTA_EXCEEDED: { retry: 'pointless', meaning: 'a hard quota would be exceeded', remedy: 'raise it, or delete' },
  THROTTLED_OP: {
    retry: 'safe',
    meaning: 'the request waited too long at the server and was not executed',
    remedy: 'repeat it later',
  },
  // From here on: what the client itself says.
  CONNECTION_LOSS: {
    retry: 'unknown',
    meaning: 'the connection broke before the answer came',
    remedy: 'look at the node, then decide; or use idempotent or protect',
  },
  TIMEOUT: {
    retry: 'unknown',
    meaning: 'no answer before the deadline',
    remedy: 'as for CONNECTION_LOSS; raise timeoutMs if the servers are slow',
  },
  ABORTED: { retry: 'unknown', meaning: 'the caller’s AbortSignal ended the wait', remedy: 'as for CONNECTION_LOSS' },
  CLOSED: { retry: 'pointless', meaning: 'the client is closed', remedy: 'connect again' },
  CONNECT_FAILED: {
    retry: 'safe',
    meaning: 'no server took the session before the deadline',
    remedy: 'see the message for what each server said; raise connectTimeoutMs if they are slow to start',
  },
  INVALID_OPTION: {
    retry: 'pointless',
    meaning: 'an option or argument is misspelt or has a value it cannot have',
    remedy: 'the message says which, and what it may be',
  },
  INVALID_PATH: {
    retry: 'pointless',
    meaning: 'the path breaks the rules for paths',
    remedy: 'the message says where',
  },
  INVALID_VALUE: {
    retry: 'pointless',
    meaning: 'the codec does not take the node’s data, or the value to be written',
    remedy: 'the message names the path and what was wrong; read it as bytes to look at it',
  },
  REQUEST_TOO_LARGE: {
    retry: 'pointless',
    meaning: 'the request is longer than a server takes',
    remedy: 'write less, or raise jute.maxbuffer on all servers and requestBytesMax here',
  },
  REPLY_TOO_LARGE: {
    retry: 'pointless',
    meaning: 'the reply is longer than this client takes',
    remedy: 'read less at a time, or raise replyBytesMax',
  },
  INVALID_REPLY: {
    retry: 'pointless',
    meaning: 'the server’s reply is not what the protocol says',
    remedy: 'the message says what was wrong; look at the server, and at what stands between',
  },
  QUEUE_FULL: {
    retry: 'safe',
    meaning: 'too many requests wait to be sent',
    remedy: 'wait for earlier calls, or raise queuedMax',
  },
  CACHE_FULL: {
    retry: 'pointless',
    meaning: 'there is more in the tree than the cache may keep',
    remedy: 'raise nodesMax or bytesMax, or cache a smaller part',
  },
  KERBEROS_MISSING: {
    retry: 'pointless',
    meaning: 'SASL/GSSAPI needs the package "kerberos"',
    remedy: 'npm install kerberos',
  },
} as const satisfies Record<string, ErrorRow>;

/**
 * The stable name of an error; match on this, never on messages. docs/reference/client-errors.md explains each.
 *
 * @example
 * ```ts
 * const harmless: TreekeeperErrorCode[] = ['NODE_EXISTS', 'NO_NODE'];
 * console.assert(harmless.includes(new TreekeeperError('NO_NODE').code));
 * ```
 */
export type TreekeeperErrorCode = keyof typeof errorTable;

/**
 * What is known of a failure, for the constructor of TreekeeperError.
 *
 * @example
 * ```ts
 * const details: ErrorDetails = { operation: 'get', path: '/a', message: 'gone fishing' };
 * console.assert(new TreekeeperError('NO_NODE', details).message === 'get /a: NO_NODE: gone fishing');
 * ```
 */
export interface ErrorDetails {
  readonly path?: string | undefined;
  readonly operation?: string | undefined;
  readonly zxid?: bigint | undefined;
  /** Instead of the table's, where more is known. */
  readonly retry?: RetryAdvice | undefined;
  readonly cause?: unknown;
  /** Instead of the table's meaning. */
  readonly message?: string | undefined;
  readonly failedIndex?: number | undefined;
}

/**
 * Everything that this package rejects with or throws.
 *
 * @example
 * ```ts
 * try {
 *   await client.get('/missing');
 * } catch (error) {
 *   if (isTreekeeperError(error, 'NO_NODE')) {
 *     console.assert(error.path === '/missing' && error.operation === 'get' && error.retry === 'pointless');
 *   }
 * }
 * ```
 */
export class TreekeeperError extends Error {
  override readonly name = 'TreekeeperError';
  readonly code: TreekeeperErrorCode;
  /** Whether the same call may be made again. */
  readonly retry: RetryAdvice;
  /** The path as the caller gave it. */
  readonly path: string | undefined;
  /** The method: `get`, `create`, `commit`, ... */
  readonly operation: string | undefined;
  /** Of the server's answer, where one came. */
  readonly zxid: bigint | undefined;
  /** Of a transaction: which operation failed, counted from 0. */
  readonly failedIndex: number | undefined;

  constructor(code: TreekeeperErrorCode, details: ErrorDetails = {}) {
    const row = errorTable[code];
    const { operation, path } = details;
    const what = [operation, path].filter((part) => part !== undefined).join(' ');
    super(
      `${what === '' ? '' : `${what}: `}${code}: ${details.message ?? `${row.meaning}; ${row.remedy}`}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.retry = details.retry ?? row.retry;
    this.path = path;
    this.operation = operation;
    this.zxid = details.zxid;
    this.failedIndex = details.failedIndex;
  }
}

/**
 * Narrows an unknown error to a TreekeeperError, with a given code if one is named.
 *
 * @example
 * ```ts
 * const error = await client.delete('/missing').catch((reason: unknown) => reason);
 * console.assert(isTreekeeperError(error, 'NO_NODE'));
 * ```
 */
export function isTreekeeperError(error: unknown, code?: TreekeeperErrorCode): error is TreekeeperError {
  return error instanceof TreekeeperError && (code === undefined || error.code === code);
}

/** What a write fails with of which an earlier attempt may have succeeded: to repeat it is not safe, whatever it is. */
export function inDoubt<E>(error: E): E | TreekeeperError {
  if (!isTreekeeperError(error) || error.retry === 'unknown') {
    return error;
  }
  const { code, operation, path, zxid, failedIndex } = error;
  const message = `the answer to an earlier attempt was lost, and it may have succeeded; the last one: ${error.message}`;
  return new TreekeeperError(code, { operation, path, zxid, failedIndex, retry: 'unknown', message, cause: error });
}

/** Our name of an error number in a reply; numbers without one are failures of the server. */
export function codeOfNumber(number: number): TreekeeperErrorCode {
  const code: ErrorCode | undefined = errorCodeOf(number);
  return code !== undefined && Object.hasOwn(errorTable, code) ? (code as TreekeeperErrorCode) : 'SYSTEM_ERROR';
}
