import { readSnapshotFile } from '@treekeeper/server/data-files';
import { parseCommand } from '../arguments.ts';
import { endWithReader } from '../end-with-reader.ts';
import { fileTrouble } from '../file-trouble.ts';
import { complain, type Terminal, UsageError } from '../terminal.ts';
import { aclLine } from './shell/acl.ts';
import { counted, dataJson, hex, sizeText, utf8OrNull } from './shell/format.ts';
import { differences, kindOf, type SavedNode, type SavedTree, savedTree, usages } from './snapshot/saved-tree.ts';

const FAILED_EXIT_CODE = 1;
const DATA_CHARACTERS_MAX = 60;

type Print = (value: unknown, text: string) => void;

/** `treekeeper snapshot FILE [OTHER] [--summary] [--data] [--depth N] [--output text|json]` */
export async function snapshot(args: readonly string[], terminal: Terminal): Promise<number> {
  const { files, help, options } = parseCommand(args, {
    summary: { type: 'boolean' },
    data: { type: 'boolean' },
    depth: { type: 'string' },
    output: { type: 'string', short: 'o' },
  });
  if (help) {
    terminal.out(HELP);
    return 0;
  }
  const { output = 'text', depth = '1' } = options as { output?: string; depth?: string };
  if (output !== 'text' && output !== 'json') {
    throw new UsageError(`--output ${output}: there are text and json`);
  }
  if (!/^\d{1,3}$/.test(depth)) {
    throw new UsageError(`--depth ${depth}: a number of levels is needed`);
  }
  if (files.length < 1 || files.length > 2) {
    throw new UsageError('one snapshot is shown, two are compared: treekeeper snapshot data/version-2/snapshot.0');
  }
  endWithReader();
  const print: Print = (value, text) => terminal.out(`${output === 'json' ? JSON.stringify(value) : text}\n`);
  const trees = files.map((name) => treeIn(name, terminal));
  const [tree, after] = trees;
  if (trees.includes(null) || tree === null) {
    return FAILED_EXIT_CODE;
  }
  if (after) {
    return compare(tree, after, print);
  }
  if (options['summary'] === true) {
    summarise(tree, Number(depth), print);
  } else {
    list(tree, options['data'] === true, print);
  }
  return 0;
}

/** Null: it cannot be read, which is told. */
function treeIn(file: string, terminal: Terminal): SavedTree | null {
  try {
    return savedTree((sink) => readSnapshotFile(file, sink));
  } catch (error) {
    complain(terminal, 'red', 'error', fileTrouble(file, error));
    return null;
  }
}

function list({ nodes }: SavedTree, withData: boolean, print: Print): void {
  for (const [path, node] of nodes) {
    const { stat, data } = node;
    const kind = kindOf(node);
    const value = {
      path,
      type: kind,
      dataLength: data?.length ?? 0,
      version: stat.version,
      czxid: hex(stat.czxid),
      mzxid: hex(stat.mzxid),
      ctime: Number(stat.ctime),
      mtime: Number(stat.mtime),
      ephemeralOwner: hex(stat.ephemeralOwner),
      acl: aclLine(node.acl),
      ...(withData && dataJson(data)),
    };
    const owner = kind === 'ephemeral' ? `  of ${hex(stat.ephemeralOwner)}` : kind === 'persistent' ? '' : `  ${kind}`;
    const shown = withData ? `  ${dataShown(data)}` : '';
    const facts = `${String(data?.length ?? 0).padStart(8)} B  v${stat.version}  mzxid ${hex(stat.mzxid)}`;
    print(value, `${facts}  ${path}${owner}${shown}`);
  }
}

function summarise(tree: SavedTree, depthMax: number, print: Print): void {
  const { nodes, sessions, trailer } = tree;
  const ephemerals = [...nodes.values()].filter((node) => kindOf(node) === 'ephemeral').length;
  const rows = usages(nodes).filter(({ depth }) => depth <= depthMax);
  const { digest, lastProcessedZxid } = trailer;
  const zxid = lastProcessedZxid ?? digest?.zxid ?? null;
  const value = {
    nodes: nodes.size,
    ephemerals,
    sessions: sessions.size,
    lastZxid: zxid === null ? null : `0x${zxid.toString(16)}`,
    digest: digest?.digest == null ? null : hex(digest.digest),
    subtrees: rows.map(({ path, nodes: count, bytes }) => ({ path, nodes: count, bytes })),
  };
  const head = [
    `${counted(nodes.size, 'node')}, ${ephemerals} of them ephemeral; ${counted(sessions.size, 'session')}`,
    `last zxid ${value.lastZxid ?? 'not recorded'}, digest ${value.digest ?? 'not recorded'}`,
    `${'DATA'.padStart(10)}  ${'NODES'.padStart(8)}  PATH`,
  ];
  const lines = rows.map(
    ({ path, nodes: count, bytes }) => `${sizeText(bytes).padStart(10)}  ${String(count).padStart(8)}  ${path}`,
  );
  print(value, [...head, ...lines].join('\n'));
}

/** `+` is in the second only, `-` in the first only, `~` differs. */
function compare(before: SavedTree, after: SavedTree, print: Print): number {
  let count = 0;
  for (const { path, kind, was, is } of differences(before.nodes, after.nodes)) {
    count++;
    const mark = { added: '+', removed: '-', changed: '~' }[kind];
    const text = kind === 'changed' ? ` ${changeText(was as SavedNode, is as SavedNode)}` : '';
    print({ path, change: kind }, `${mark} ${path}${text}`);
  }
  return count === 0 ? 0 : FAILED_EXIT_CODE;
}

function changeText(was: SavedNode, is: SavedNode): string {
  const parts = [];
  if (was.stat.version !== is.stat.version || was.stat.mzxid !== is.stat.mzxid) {
    parts.push(`data: v${was.stat.version} ${dataShown(was.data)} -> v${is.stat.version} ${dataShown(is.data)}`);
  }
  if (aclLine(was.acl) !== aclLine(is.acl)) {
    parts.push(`acl: ${aclLine(was.acl)} -> ${aclLine(is.acl)}`);
  }
  if (was.stat.ephemeralOwner !== is.stat.ephemeralOwner) {
    parts.push(`owner: ${hex(was.stat.ephemeralOwner)} -> ${hex(is.stat.ephemeralOwner)}`);
  }
  return parts.length === 0 ? 'made anew' : parts.join('; ');
}

function dataShown(data: Uint8Array | null): string {
  const text = data === null ? null : utf8OrNull(data);
  if (data === null) {
    return 'null';
  }
  return text !== null && text.length <= DATA_CHARACTERS_MAX ? JSON.stringify(text) : `(${data.length} bytes)`;
}

const HELP = `Show what is in a snapshot, or how two differ, without changing anything

Usage: treekeeper snapshot <file> [other file] [options]

Arguments:
  file, other file       Snapshots of Treekeeper or Apache ZooKeeper, compressed ones too

Options:
  --data                 Show the nodes' data as well
  --summary              Instead of the nodes, how many there are, and which subtrees are large
  --depth <N>            Of the subtrees in the summary (default 1)
  -o, --output <format>  text (default), or json: one object a line
  -h, --help             This text

A snapshot is written while the tree changes: the log from its number on belongs to it.

Exit codes:
   0  Shown; or the two are equal
   1  It cannot be read, or is damaged; or the two differ
   2  Wrong arguments

Examples:
  treekeeper snapshot --summary --depth 2 data/version-2/snapshot.0
  treekeeper snapshot zoo1/version-2/snapshot.64 zoo2/version-2/snapshot.64
`;
