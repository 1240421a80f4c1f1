/** The audit log of a configuration: from what the replica applies to the lines in its file (audit.enable). */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type ACL, type CreateRequest, OpCode } from '@treekeeper/protocol';
import { AuditLog, type AuditOperation, type AuditResult, auditNodeType, auditUsers } from '../admin/audit.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { LogThreshold } from '../host/logger.ts';
import { openRollingFile, type RollingFile } from '../host/rolling-file.ts';
import type { Log } from '../io/log.ts';
import { errorTxn } from '../operations/error.ts';
import { appliedParts, type MultiPart } from '../operations/multi.ts';
import type { WriteAudit } from '../replica/audit.ts';
import type { InFlight } from '../replica/order.ts';

const OPERATIONS: ReadonlyMap<number, AuditOperation> = new Map([
  [OpCode.create, 'create'],
  [OpCode.create2, 'create'],
  [OpCode.createContainer, 'create'],
  [OpCode.createTTL, 'create'],
  [OpCode.delete, 'delete'],
  [OpCode.setData, 'setData'],
  [OpCode.setACL, 'setAcl'],
  [OpCode.reconfig, 'reconfig'],
]);

/** Refusals are errors in ZooKeeper's audit log: with a threshold above INFO they alone are written. */
const LEVELS: { readonly [R in AuditResult]: 'INFO' | 'ERROR' } = {
  success: 'INFO',
  invoked: 'INFO',
  failure: 'ERROR',
};
const SHOWS_SUCCESS: readonly LogThreshold[] = ['all', 'trace', 'debug', 'info'];

/** Opens the file. Throws the system's error when it cannot be written. */
export function openAudit({ audit, log: logOptions }: ServerConfig, log: Log): ReplicaAudit {
  const path = join(logOptions.directory, audit.file);
  const { maxFileBytes, maxBackups } = logOptions;
  const file = openRollingFile(path, maxFileBytes, maxBackups, 'log.dir, auditlog.file');
  return new ReplicaAudit(file, path, audit.threshold, log);
}

/** Collects lines and writes those of a turn at once: a call for each would cost more than the write it tells of. */
export class ReplicaAudit implements WriteAudit {
  readonly #file: RollingFile;
  readonly #path: string;
  readonly #log: Log;
  readonly #audit: AuditLog;
  #text = '';
  #failed = false;

  constructor(file: RollingFile, path: string, threshold: LogThreshold, log: Log) {
    this.#file = file;
    this.#path = path;
    this.#log = log;
    this.#audit = new AuditLog((line, result) => {
      if (threshold !== 'off' && (LEVELS[result] === 'ERROR' || SHOWS_SUCCESS.includes(threshold))) {
        this.#text += `${new Date().toISOString()} ${LEVELS[result].padEnd(5)} ${line}\n`;
      }
    }, userInfo().username);
  }

  started(): void {
    this.#audit.serverStarted();
    this.flush();
  }

  stopping(): void {
    this.#audit.serverStopping();
    this.flush();
  }

  written(entry: InFlight): void {
    const { operation, txn } = entry;
    if (operation === null) {
      return; // a session begins: not audited
    }
    if (operation.opcode === OpCode.deleteContainer) {
      if (txn.kind !== errorTxn) {
        this.#audit.nodeReaped((txn.value as { path: string }).path);
      }
    } else if (operation.opcode === OpCode.multi) {
      this.#multi(entry);
    } else {
      const failed = txn.kind === errorTxn;
      const path = (txn.value as { path?: string }).path;
      this.#one(entry, operation.opcode, entry.request, failed ? undefined : path, failed ? 'failure' : 'success');
    }
  }

  /** A line for each operation of a multi that was applied; one line for one that was refused. */
  #multi(entry: InFlight): void {
    const applied = appliedParts(entry.txn);
    if (applied === null) {
      const { sessionId, identities } = entry;
      const user = auditUsers(identities);
      this.#audit.record({ operation: 'multiOperation', result: 'failure', sessionId, user, ip: ipOf(entry) });
      return;
    }
    const parts = entry.request as readonly MultiPart[];
    for (const [i, { opcode, request }] of parts.entries()) {
      this.#one(entry, opcode, request, applied[i], 'success');
    }
  }

  /** `path`: as the transaction has it, with its sequence number; undefined where there is none. */
  #one(entry: InFlight, opcode: number, request: unknown, path: string | undefined, result: AuditResult): void {
    const operation = OPERATIONS.get(opcode);
    if (operation === undefined) {
      return;
    }
    const asked = request as { readonly path?: string; readonly acl?: readonly ACL[] } | null;
    const { sessionId, identities } = entry;
    this.#audit.record({
      operation,
      result,
      sessionId,
      user: auditUsers(identities),
      ip: ipOf(entry),
      znode: path ?? asked?.path,
      znodeType: operation === 'create' ? auditNodeType((request as CreateRequest).flags) : undefined,
      acl: operation === 'setAcl' ? (asked?.acl ?? undefined) : undefined,
    });
  }

  ephemeralDeleted(sessionId: bigint, path: string): void {
    this.#audit.ephemeralDeleted(sessionId, path);
  }

  /** Writes what was recorded. When the file cannot be written the server goes on and says so once. */
  flush(): void {
    if (this.#text === '') {
      return;
    }
    const text = this.#text;
    this.#text = '';
    try {
      this.#file.write(text);
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) {
        this.#log.error(`the audit log ${this.#path} cannot be written, lines are lost: ${String(error)}`);
      }
      this.#failed = true;
    }
  }

  close(): void {
    this.flush();
    this.#file.close();
  }
}

function ipOf({ client }: InFlight): string | undefined {
  return client?.connection.remoteAddress;
}
