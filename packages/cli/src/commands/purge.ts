import { statSync } from 'node:fs';
import { ConfigError, loadConfig } from '@treekeeper/server/config';
import { type PurgeOptions, type PurgeReport, purgeDirectories, SNAP_RETAIN_COUNT_MIN } from '@treekeeper/server/purge';
import { parseCommand } from '../arguments.ts';
import { showConfigError, showWarnings } from '../notices.ts';
import { complain, type Terminal, UsageError } from '../terminal.ts';
import { counted, sizeText } from './shell/format.ts';

const FAILED_EXIT_CODE = 1;

/** `treekeeper purge ZOO_CFG|DATA_DIRECTORY [LOG_DIRECTORY] [--count N]` */
export async function purge(args: readonly string[], terminal: Terminal): Promise<number> {
  const { files, help, options } = parseCommand(args, { count: { type: 'string', short: 'n' } });
  if (help) {
    terminal.out(HELP);
    return 0;
  }
  const { count } = options as { count?: string };
  if (count !== undefined && !(/^\d{1,9}$/.test(count) && Number(count) >= SNAP_RETAIN_COUNT_MIN)) {
    throw new UsageError(`-n ${count}: a number of snapshots is needed, at least ${SNAP_RETAIN_COUNT_MIN}`);
  }
  if (files.length === 0) {
    throw new UsageError("which data? Name the server's zoo.cfg, or its data directory: treekeeper purge zoo.cfg");
  }
  try {
    const named = directoriesOf(files, terminal);
    const report = await purgeDirectories({ ...named, ...(count !== undefined && { retainCount: Number(count) }) });
    return show(report, named.dataDir, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      throw error;
    }
    if (error instanceof ConfigError) {
      showConfigError(terminal, error);
    } else {
      complain(terminal, 'red', 'error', error instanceof Error ? error.message : String(error));
    }
    return FAILED_EXIT_CODE;
  }
}

function directoriesOf([first, ...others]: readonly string[], terminal: Terminal): PurgeOptions {
  if (statSync(first, { throwIfNoEntry: false })?.isDirectory() === true) {
    if (others.length > 1) {
      throw new UsageError(`a data directory and a log directory; what is ${others.slice(1).join(' ')}?`);
    }
    return { dataDir: first, dataLogDir: others[0] ?? first, retainCount: SNAP_RETAIN_COUNT_MIN };
  }
  if (others.length > 0) {
    throw new UsageError(`${first} is no directory, and a zoo.cfg names all directories itself`);
  }
  const { config, warnings } = loadConfig({ file: first, env: terminal.env });
  showWarnings(terminal, warnings);
  const { dataDir, dataLogDir, purgeRetainCount } = config.storage;
  return { dataDir, dataLogDir, retainCount: purgeRetainCount };
}

function show({ removed, kept, damaged, failure }: PurgeReport, dataDir: string, terminal: Terminal): number {
  for (const { name, reason } of damaged) {
    complain(terminal, 'yellow', 'warning', `${name} cannot be loaded and is not counted: ${reason}`);
  }
  for (const { name, sizeBytes } of removed) {
    terminal.out(`removed ${name}  ${sizeText(sizeBytes)}\n`);
  }
  const size = sizeText(removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const oldest = kept.at(-1);
  if (failure !== null) {
    complain(terminal, 'red', 'error', `${failure}. Of what is not needed, ${counted(removed.length, 'file')} went`);
    return FAILED_EXIT_CODE;
  }
  if (oldest === undefined) {
    complain(terminal, 'red', 'error', `there is no snapshot in ${dataDir} that can be loaded: nothing was removed`);
    return FAILED_EXIT_CODE;
  }
  const rest = kept.length === 1 ? oldest : `${kept.length} snapshots from ${oldest} on`;
  const gone = removed.length === 0 ? 'nothing to remove' : `removed ${counted(removed.length, 'file')}, ${size}`;
  terminal.out(`${gone}; ${rest} stay${kept.length === 1 ? 's' : ''}, with the logs needed\n`);
  return 0;
}

const MIN = SNAP_RETAIN_COUNT_MIN;
const HELP = `Remove old snapshots and logs of a server that is not running

Usage: treekeeper purge <zoo.cfg> [-n <count>]
       treekeeper purge <data directory> [log directory] [-n <count>]

Arguments:
  zoo.cfg                The server's configuration: it names the directories, and how many
                         snapshots stay (autopurge.snapRetainCount)
  data directory         In place of it, dataDir: where version-2 with the snapshots is
  log directory          dataLogDir, if it is another

Options:
  -n, --count <count>    Snapshots to keep, at least ${MIN} (default: as zoo.cfg says, or ${MIN})
  -h, --help             This text

The newest snapshots stay, with every log that is needed to go on from the oldest of them. They are
read as a whole before anything is removed: one that is damaged does not count. Each file that is
removed is named. Files that are no snapshots and no logs are left alone.

A running Treekeeper keeps the directory to itself, and purges by itself, every hour unless
autopurge.purgeInterval says otherwise. Under a running Apache ZooKeeper, it does what zkCleanup.sh does.

Exit codes:
   0  Done, or there was nothing to remove
   1  A server runs there, there is no whole snapshot, or the files cannot be read or removed
   2  Wrong arguments

Examples:
  treekeeper purge /etc/treekeeper/zoo.cfg
  treekeeper purge /var/lib/zookeeper /var/log/zookeeper -n 5
`;
