/**
 * The audit log (audit.enable): one line per write of a client of this server, done or refused, and per start and stop
 * of the server. Tab-separated `key=value` pairs in a fixed order; pairs that do not apply are left out.
 */
import type { ACL } from '@treekeeper/protocol';
import { Perms } from '@treekeeper/protocol';
import { hex64 } from './format.ts';

export type AuditOperation =
  | 'serverStart'
  | 'serverStop'
  | 'create'
  | 'delete'
  | 'setData'
  | 'setAcl'
  | 'multiOperation'
  | 'reconfig'
  | 'ephemeralZNodeDeletionOnSessionCloseOrExpire';

/** 'invoked': begun, and the end will not be seen (serverStop). */
export type AuditResult = 'success' | 'failure' | 'invoked';

export interface AuditEvent {
  readonly operation: AuditOperation;
  readonly result: AuditResult;
  /** 0n: none. */
  readonly sessionId?: bigint | undefined;
  /** Who did it: `auditUsers` of the session's ids; the server's own user for what the server does. */
  readonly user: string;
  readonly ip?: string | undefined;
  readonly znode?: string | undefined;
  /** `auditNodeType` of a create. */
  readonly znodeType?: string | undefined;
  /** Of a setAcl. */
  readonly acl?: readonly ACL[] | undefined;
}

/** Where audit lines go; the line has no end of line. */
export type AuditSink = (line: string, result: AuditResult) => void;

/**
 * What a server with audit.enable holds; without it, it holds null, and a write costs one comparison. A failed multi is
 * one line (multiOperation); one that was applied is a line for each of its operations.
 */
export class AuditLog {
  readonly #sink: AuditSink;
  readonly #serverUser: string;

  /** `serverUser` is the user of what the server does by itself: starting, stopping, removing ephemeral nodes. */
  constructor(sink: AuditSink, serverUser: string) {
    this.#sink = sink;
    this.#serverUser = serverUser;
  }

  record(event: AuditEvent): void {
    this.#sink(auditLine(event), event.result);
  }

  serverStarted(): void {
    this.record({ operation: 'serverStart', user: this.#serverUser, result: 'success' });
  }

  serverStopping(): void {
    this.record({ operation: 'serverStop', user: this.#serverUser, result: 'invoked' });
  }

  /** A container or TTL node that the server removed, its time being over. */
  nodeReaped(path: string): void {
    this.record({ operation: 'delete', user: this.#serverUser, znode: path, result: 'success' });
  }

  /** An ephemeral node that went with its session. */
  ephemeralDeleted(sessionId: bigint, path: string): void {
    this.record({
      operation: 'ephemeralZNodeDeletionOnSessionCloseOrExpire',
      sessionId,
      user: this.#serverUser,
      znode: path,
      result: 'success',
    });
  }
}

export function auditLine(event: AuditEvent): string {
  const pairs: (string | undefined)[] = [
    event.sessionId === undefined || event.sessionId === 0n ? undefined : `session=${hex64(event.sessionId)}`,
    `user=${clean(event.user)}`,
    event.ip === undefined ? undefined : `ip=${event.ip}`,
    `operation=${event.operation}`,
    event.znode === undefined ? undefined : `znode=${clean(event.znode)}`,
    event.znodeType === undefined ? undefined : `znode_type=${event.znodeType}`,
    event.acl === undefined ? undefined : `acl=${clean(aclText(event.acl))}`,
    `result=${event.result}`,
  ];
  return pairs.filter((pair) => pair !== undefined).join('\t');
}

/**
 * The users of a session: the id of each of its identities, a digest's name without the password's hash. Who has no name
 * (super has not) is left out, as in ZooKeeper.
 */
export function auditUsers(identities: readonly { readonly scheme: string; readonly id: string }[]): string {
  const names = identities.map(({ scheme, id }) => (scheme === 'digest' ? id.split(':', 1)[0] : id));
  return names.filter((name) => name.trim() !== '').join(',');
}

const nodeTypes = [
  'persistent',
  'ephemeral',
  'persistent_sequential',
  'ephemeral_sequential',
  'container',
  'persistent_with_ttl',
  'persistent_sequential_with_ttl',
];

/** The type that a create request asked for by its flags; undefined for flags that mean nothing. */
export function auditNodeType(createMode: number): string | undefined {
  return nodeTypes[createMode];
}

const letters = [
  [Perms.create, 'c'],
  [Perms.delete, 'd'],
  [Perms.read, 'r'],
  [Perms.write, 'w'],
  [Perms.admin, 'a'],
] as const;

/** `world:anyone:cdrwaip:127.0.0.1:r`: the entries follow each other without a separator. */
function aclText(acl: readonly ACL[]): string {
  return acl
    .map(({ perms, id }) => {
      const permissions = letters.filter(([bit]) => (perms & bit) !== 0).map(([, letter]) => letter);
      return `${id.scheme}:${id.id}:${permissions.join('')}`;
    })
    .join('');
}

/** A path or an id may hold a tab or a line end, and then could forge a pair or a line: each becomes a blank. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be replaced
  return text.replace(/[\u0000-\u001f\u007f\u2028\u2029]/g, ' ');
}
