/**
 * The one table of ZooKeeper's errors (client-protocol.md §4), and the one error class.
 * `retry` tells a caller what repeating the request means: 'safe' (nothing happened), 'unknown' (it may have), 'never'
 * (the same request gets the same answer).
 */
export interface ErrorRow {
  readonly number: number;
  readonly retry: 'safe' | 'unknown' | 'never';
  readonly meaning: string;
}

export const errorTable = {
  SYSTEM_ERROR: { number: -1, retry: 'unknown', meaning: 'an unexpected failure of the server' },
  RUNTIME_INCONSISTENCY: {
    number: -2,
    retry: 'never',
    meaning: 'not tried, because an earlier operation of the multi failed',
  },
  DATA_INCONSISTENCY: { number: -3, retry: 'never', meaning: 'the client found contradictory data' },
  CONNECTION_LOSS: { number: -4, retry: 'unknown', meaning: 'the connection was lost before the answer came' },
  MARSHALLING_ERROR: { number: -5, retry: 'never', meaning: 'the request does not decode' },
  UNIMPLEMENTED: { number: -6, retry: 'never', meaning: 'the server does not have this operation' },
  OPERATION_TIMEOUT: { number: -7, retry: 'unknown', meaning: 'no answer in time' },
  BAD_ARGUMENTS: { number: -8, retry: 'never', meaning: 'a path, flag, ttl or configuration text breaks the rules' },
  INVALID_STATE: { number: -9, retry: 'never', meaning: 'the client is closed or expired' },
  UNKNOWN_SESSION: { number: -12, retry: 'never', meaning: 'no such session' },
  NEW_CONFIG_NO_QUORUM: {
    number: -13,
    retry: 'safe',
    meaning: 'no quorum of the new configuration is connected and synced',
  },
  RECONFIG_IN_PROGRESS: { number: -14, retry: 'safe', meaning: 'another reconfiguration is running' },
  SSL_CONNECTION_ERROR: { number: -15, retry: 'safe', meaning: 'the TLS connection failed' },
  API_ERROR: { number: -100, retry: 'never', meaning: 'marks the range of errors below; not sent' },
  NO_NODE: { number: -101, retry: 'never', meaning: 'the node does not exist' },
  NO_AUTH: { number: -102, retry: 'never', meaning: 'a permission is missing' },
  BAD_VERSION: { number: -103, retry: 'never', meaning: 'the version does not match' },
  NO_CHILDREN_FOR_EPHEMERALS: { number: -108, retry: 'never', meaning: 'ephemeral nodes have no children' },
  NODE_EXISTS: { number: -110, retry: 'never', meaning: 'the node exists already' },
  NOT_EMPTY: { number: -111, retry: 'never', meaning: 'the node has children' },
  SESSION_EXPIRED: { number: -112, retry: 'never', meaning: 'the session is gone' },
  INVALID_CALLBACK: { number: -113, retry: 'never', meaning: 'the C client was given a bad callback' },
  INVALID_ACL: { number: -114, retry: 'never', meaning: 'the ACL is empty, unknown or malformed' },
  AUTH_FAILED: { number: -115, retry: 'never', meaning: 'the server refused the credentials' },
  CLOSING: { number: -116, retry: 'never', meaning: 'the client is closing' },
  NOTHING: { number: -117, retry: 'safe', meaning: 'the C client had nothing to process' },
  SESSION_MOVED: { number: -118, retry: 'safe', meaning: 'the session has moved to another server' },
  NOT_READ_ONLY: {
    number: -119,
    retry: 'safe',
    meaning: 'the server takes no writes now: it is read-only, or its disk is full',
  },
  EPHEMERAL_ON_LOCAL_SESSION: { number: -120, retry: 'never', meaning: 'a local session cannot own ephemeral nodes' },
  NO_WATCHER: { number: -121, retry: 'never', meaning: 'there is no such watch' },
  REQUEST_TIMEOUT: { number: -122, retry: 'unknown', meaning: 'the client gave up waiting' },
  RECONFIG_DISABLED: { number: -123, retry: 'never', meaning: 'reconfigEnabled is off' },
  SESSION_CLOSED_REQUIRE_AUTH: { number: -124, retry: 'never', meaning: 'the server requires authentication' },
  QUOTA_EXCEEDED: { number: -125, retry: 'never', meaning: 'a hard quota would be exceeded' },
  THROTTLED_OP: { number: -127, retry: 'safe', meaning: 'the request waited too long and was not executed' },
} as const satisfies Record<string, ErrorRow>;

/** The stable name of an error; match on this. */
export type ErrorCode = keyof typeof errorTable;

/** Numbers as they stand in reply headers; 0 is success. */
export const ErrorNumber: Readonly<Record<ErrorCode, number>> = Object.fromEntries(
  Object.entries(errorTable).map(([code, row]) => [code, row.number]),
) as Record<ErrorCode, number>;

const codesByNumber = new Map<number, ErrorCode>(
  Object.entries(errorTable).map(([code, row]) => [row.number, code as ErrorCode]),
);

/** The name of an error number; undefined for 0 and for numbers ZooKeeper does not have. */
export function errorCodeOf(number: number): ErrorCode | undefined {
  return codesByNumber.get(number);
}

/** The caller's situation, told as an answer: never our bug (that is an assertion). */
export class ZooKeeperError extends Error {
  override readonly name = 'ZooKeeperError';
  readonly code: ErrorCode;
  /** The number on the wire. */
  readonly number: number;
  readonly path: string | undefined;

  constructor(code: ErrorCode, path?: string) {
    super(`${code}${path === undefined ? '' : ` for ${path}`}: ${errorTable[code].meaning}`);
    this.code = code;
    this.number = errorTable[code].number;
    this.path = path;
  }

  get retry(): ErrorRow['retry'] {
    return errorTable[this.code].retry;
  }
}

/** Narrows an unknown error to a ZooKeeperError, with a given code if one is named. */
export function isZooKeeperError(error: unknown, code?: ErrorCode): error is ZooKeeperError {
  return error instanceof ZooKeeperError && (code === undefined || error.code === code);
}
