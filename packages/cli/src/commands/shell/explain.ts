/** What went wrong, in zkCli's words where it has some, and what could be done next. */
import { type Client, isTreekeeperError, type TreekeeperError, type TreekeeperErrorCode } from '@treekeeper/client';
import { nearest } from '@treekeeper/server/config';
import { UsageError } from '../../terminal.ts';
import { counted } from './format.ts';
import { joinPath, nameOf, parentOf } from './paths.ts';
import { quoted } from './tokens.ts';

/** Exit codes of the shell; docs/guides/shell.md. */
export const EXIT = { ok: 0, failed: 1, usage: 2, connection: 3, interrupted: 130 } as const;

/** What a command could not do, and why: nothing is wrong with the shell. */
export class ShellError extends Error {
  override readonly name = 'ShellError';
  readonly hint: string | null;
  readonly exitCode: number;

  constructor(message: string, hint: string | null = null, exitCode: number = EXIT.failed) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

export interface Explanation {
  readonly message: string;
  /** What to try next; null when there is nothing to say. */
  readonly hint: string | null;
  readonly exitCode: number;
  /** The client's code; null for other failures. */
  readonly code: TreekeeperErrorCode | null;
}

type Explain = (path: string, client: Client | null, error: TreekeeperError) => Said | Promise<Said>;
type Said = readonly [message: string, hint: string | null];

const CONFIG_PATH = '/zookeeper/config';
const connectAgain = 'connect begins a new session';

const EXPLANATIONS: Partial<Record<TreekeeperErrorCode, Explain>> = {
  NO_NODE: noNode,
  NODE_EXISTS: (path) => [
    `Node already exists: ${path}`,
    `set ${quoted(path)} DATA changes its data; create -s appends a number to the name`,
  ],
  NOT_EMPTY: (path) => [`Node not empty: ${path}`, `deleteall ${quoted(path)} deletes it with everything below`],
  NO_AUTH: (path, _client, { operation }) => [
    `Insufficient permission : ${path}`,
    operation === 'reconfig'
      ? `who may write ${CONFIG_PATH} may reconfigure, and the super user: addauth digest super:password`
      : `getAcl ${quoted(path)} shows who may; addauth digest user:password says who you are`,
  ],
  NO_WATCHER: (path) => [
    `No such watcher : ${path}`,
    'get -w, ls -w and stat -w leave one that ends with its first event, addWatch one that stays',
  ],
  BAD_VERSION: async (path, client, { operation }) => {
    if (operation === 'reconfig') {
      return ['the configuration has another version', 'config -c shows its version'];
    }
    const stat = await client?.exists(path, { retry: false }).catch(() => null);
    const now = stat == null ? '' : `its version is ${stat.version} now, and `;
    return [`version No is not valid : ${path}`, `somebody else has changed it: ${now}get -s ${quoted(path)} shows it`];
  },
  NO_CHILDREN_FOR_EPHEMERALS: (path) => [
    `Ephemerals cannot have children: ${path}`,
    `${parentOf(path)} ends with its session; put the node beside it`,
  ],
  INVALID_ACL: (path) => [
    `Acl is not valid : ${path}`,
    'an entry is scheme:id:permissions, such as world:anyone:r or digest:user:hash:cdrwa; auth::cdrwa needs addauth first',
  ],
  QUOTA_EXCEEDED: (path) => [`Quota has exceeded : ${path}`, `listquota shows the limits of ${parentOf(path)}`],
  RECONFIG_DISABLED: () => ['Reconfig is disabled', 'reconfigEnabled=true in zoo.cfg on the servers allows it'],
  NOT_READ_ONLY: (_path, _client, error) => [bare(error), 'srvr shows the mode of the server'],
  SESSION_EXPIRED: () => ['Session expired; its ephemeral nodes are gone', connectAgain],
  CLOSED: () => ['The session is closed', connectAgain],
  SESSION_CLOSED_REQUIRE_AUTH: () => [
    'The server demands a login',
    '--sasl user:password says who you are, or --auth scheme:credentials',
  ],
  AUTH_FAILED: () => ['Authentication failed', `correct user and password; ${connectAgain}`],
  CONNECT_FAILED: (_path, _client, error) => [bare(error), connectHint(error.message)],
  INVALID_OPTION: (_path, _client, error) => [bare(error), null],
  CONNECTION_LOSS: () => [
    'Connection lost before the answer came: it may have been done or not',
    'look before you repeat it',
  ],
  TIMEOUT: () => ['No answer in time: it may have been done or not', 'srvr shows whether the server is well'],
};

/** By what the servers said, or the system about them: the first that fits. */
const CONNECT_HINTS: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, 'there is no such host; -s host:port names another'],
  [/altnames|does not match/, '-s wants the name that is in the certificate; --any-hostname accepts any'],
  [
    /certificate|refuses the TLS connection/i,
    '--ca FILE says whom to trust; --cert and --key say who you are, where the server asks',
  ],
  [
    /before secure TLS connection|EPROTO|SSL routines/,
    'does that port speak TLS? Without --tls the shell speaks plain',
  ],
  [
    /the server closed the connection|no ZooKeeper server answers|ECONNRESET/,
    'something is there, but it takes nobody: a member without a quorum, a port that wants --tls, or no ZooKeeper server',
  ],
];

function connectHint(message: string): string {
  const hint = CONNECT_HINTS.find(([pattern]) => pattern.test(message))?.[1];
  return hint ?? 'is a server running there? treekeeper server starts one; -s host:port names another';
}

const CONNECTION_CODES: ReadonlySet<string> = new Set<TreekeeperErrorCode>([
  'CONNECT_FAILED',
  'CONNECTION_LOSS',
  'TIMEOUT',
  'SESSION_EXPIRED',
  'CLOSED',
  'AUTH_FAILED',
  'SESSION_CLOSED_REQUIRE_AUTH',
]);

/** @param client to look around with; null when there is no session */
export async function explain(error: unknown, client: Client | null): Promise<Explanation> {
  if (error instanceof UsageError) {
    return { message: error.message, hint: null, exitCode: EXIT.usage, code: null };
  }
  if (error instanceof ShellError) {
    return { message: error.message, hint: error.hint, exitCode: error.exitCode, code: null };
  }
  if (isTreekeeperError(error)) {
    const path = error.path ?? (error.operation === 'reconfig' ? CONFIG_PATH : '/');
    const said = await EXPLANATIONS[error.code]?.(path, client, error);
    const exitCode = CONNECTION_CODES.has(error.code)
      ? EXIT.connection
      : error.code === 'INVALID_OPTION'
        ? EXIT.usage
        : EXIT.failed;
    return { message: said?.[0] ?? bare(error), hint: said?.[1] ?? null, exitCode, code: error.code };
  }
  if (error instanceof Error && 'syscall' in error) {
    return { message: error.message, hint: null, exitCode: EXIT.failed, code: null };
  }
  throw error;
}

/** The message without operation, path and code, which it begins with. */
function bare({ message, code }: TreekeeperError): string {
  const mark = `${code}: `;
  return message.slice(message.indexOf(mark) + mark.length);
}

/** Says which part of the path is there, and which name was meant. */
async function noNode(path: string, client: Client | null, error: TreekeeperError): Promise<Said> {
  const message = `Node does not exist: ${path}`;
  if (client === null) {
    return [message, null];
  }
  try {
    const parent = parentOf(path);
    const isCreate = error.operation === 'create';
    const there = await deepestThere(client, parent);
    if (there !== parent) {
      const upTo = there === parentOf(parent) ? '' : `; the path is there up to ${there}`;
      const missing = `its parent ${parent} does not exist${upTo}`;
      return [message, isCreate ? `${missing}: create -p makes what is missing` : missing];
    }
    if (isCreate) {
      return [message, null];
    }
    const children = await client.children(parent, { retry: false });
    const guess = nearest(nameOf(path), children);
    if (guess !== null) {
      return [message, `did you mean ${quoted(joinPath(parent, guess))}?`];
    }
    return [message, `ls ${quoted(parent)} shows what is there: ${counted(children.length, 'node')}`];
  } catch {
    return [message, null]; // what happened first is what counts
  }
}

async function deepestThere(client: Client, path: string): Promise<string> {
  let candidate = path;
  while (candidate !== '/' && (await client.exists(candidate, { retry: false })) === null) {
    candidate = parentOf(candidate);
  }
  return candidate;
}
