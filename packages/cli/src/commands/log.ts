import { type ACL, errorCodeOf, opCodeName } from '@treekeeper/protocol';
import { type LoggedTxn, readLogFile, type Txn } from '@treekeeper/server/data-files';
import { parseCommand } from '../arguments.ts';
import { endWithReader } from '../end-with-reader.ts';
import { fileTrouble } from '../file-trouble.ts';
import { complain, type Terminal, UsageError } from '../terminal.ts';
import { aclLine } from './shell/acl.ts';
import { dataJson, hex, type Json, type JsonRecord, utf8OrNull } from './shell/format.ts';

const DAMAGED_EXIT_CODE = 1;
const DATA_CHARACTERS_MAX = 60;

/** `treekeeper log FILE ... [--output text|json]` */
export async function log(args: readonly string[], terminal: Terminal): Promise<number> {
  const { files, help, options } = parseCommand(args, { output: { type: 'string', short: 'o' } });
  if (help) {
    terminal.out(HELP);
    return 0;
  }
  const { output = 'text' } = options;
  if (output !== 'text' && output !== 'json') {
    throw new UsageError(`--output ${output}: there are text and json`);
  }
  if (files.length === 0) {
    throw new UsageError('which log? Name its file: treekeeper log data/version-2/log.1');
  }
  endWithReader();
  for (const file of files) {
    try {
      const torn = show(file, output === 'json', terminal);
      if (torn !== null) {
        complain(terminal, 'yellow', 'note', `${file}: ${torn}, as a crash leaves it: that write was not acknowledged`);
      }
    } catch (error) {
      complain(terminal, 'red', 'error', fileTrouble(file, error));
      return DAMAGED_EXIT_CODE;
    }
  }
  return 0;
}

function show(file: string, asJson: boolean, terminal: Terminal): string | null {
  const entries = readLogFile(file);
  for (let next = entries.next(); ; next = entries.next()) {
    if (next.done === true) {
      return next.value;
    }
    terminal.out(`${asJson ? JSON.stringify(entryJson(next.value)) : entryText(next.value)}\n`);
  }
}

function entryText({ header, txn }: LoggedTxn): string {
  const { timeMs, zxid, clientId, cxid } = header;
  const head = `${new Date(timeMs).toISOString()}  zxid 0x${zxid.toString(16)}  session ${hex(clientId)}  cxid ${cxid}`;
  return [`${head}  ${txnText(txn)}`, ...txn.parts.map((part) => `    ${txnText(part)}`)].join('\n');
}

/** `create /app data="x" acl=world:anyone:cdrwa ephemeral=false`: the path, and everything else by its name. */
function txnText({ type, fields, parts }: Txn): string {
  const { path, ...others } = fields;
  const rest = Object.entries(others).map(([name, value]) => `${name}=${fieldText(name, value)}`);
  const count = parts.length > 0 ? [`of ${parts.length}`] : [];
  return [nameOf(type), ...(typeof path === 'string' ? [path] : []), ...rest, ...count].join(' ');
}

function fieldText(name: string, value: unknown): string {
  if (value instanceof Uint8Array) {
    const text = utf8OrNull(value);
    const isShort = text !== null && text.length <= DATA_CHARACTERS_MAX;
    return isShort ? JSON.stringify(text) : `(${value.length} bytes)`;
  }
  return isAcl(name, value)
    ? aclLine(value)
    : typeof value === 'object'
      ? JSON.stringify(value)
      : errorText(name, value);
}

function errorText(name: string, value: unknown): string {
  return name === 'err' ? `${String(value)} (${errorCodeOf(Number(value)) ?? 'unknown'})` : String(value);
}

function isAcl(name: string, value: unknown): value is ACL[] {
  return name === 'acl' && Array.isArray(value);
}

function entryJson({ offset, header, digest, txn }: LoggedTxn): JsonRecord {
  const { timeMs, zxid, clientId, cxid } = header;
  return {
    zxid: `0x${zxid.toString(16)}`,
    time: timeMs,
    session: hex(clientId),
    cxid,
    ...txnJson(txn),
    digest: digest === null ? null : hex(digest),
    offset,
  };
}

function txnJson({ type, fields, parts }: Txn): JsonRecord {
  const { data, ...others } = fields;
  const values = Object.entries(others).map(([name, value]) => [
    name,
    isAcl(name, value) ? aclLine(value) : typeof value === 'bigint' ? Number(value) : (value as Json),
  ]);
  return {
    type: nameOf(type),
    ...Object.fromEntries(values),
    ...(data !== undefined && dataJson(data as Uint8Array | null)),
    ...(parts.length > 0 && { operations: parts.map(txnJson) }),
  };
}

function nameOf(type: number): string {
  return opCodeName(type) ?? `type ${type}`;
}

const HELP = `Show the transactions of a log, without changing anything

Usage: treekeeper log <file ...> [options]

Arguments:
  file                   A log of Treekeeper or Apache ZooKeeper: version-2/log.1

Options:
  -o, --output <format>  text (default), or json: one object a line
  -h, --help             This text

The files of a running server can be looked at; what it writes meanwhile may be missing.

Exit codes:
   0  The log is whole; a last write cut off by a crash is only noted
   1  It cannot be read, or is damaged: the message says where, and what can be done
   2  Wrong arguments

Examples:
  treekeeper log data/version-2/log.*
  treekeeper log -o json data/version-2/log.1 | jq 'select(.path == "/app")'
`;
