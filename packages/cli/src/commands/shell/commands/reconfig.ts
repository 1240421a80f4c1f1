import { readFile } from 'node:fs/promises';
import { UsageError } from '../../../terminal.ts';
import type { Arguments } from '../arguments.ts';
import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const reconfig: ShellCommand = {
  name: 'reconfig',
  group: 'servers',
  summary: "Change the ensemble's members",
  parameters: [],
  flags: {
    s: { meaning: 'Show the new stat' },
    v: { value: 'version', meaning: 'Only if the configuration has this version (hexadecimal, as config shows it)' },
    file: { value: 'file', meaning: 'All members there shall be, from a file with server lines' },
    members: { value: 'list', meaning: 'All members there shall be, with commas between' },
    add: { value: 'server', multiple: true, meaning: 'Who joins: server.4=host:2888:3888;2181' },
    remove: { value: 'ids', multiple: true, meaning: 'Who leaves: 2,3' },
  },
  async run(shell, args) {
    const members = await membersOf(args);
    const joining = args.all('add').flatMap((text) => text.split(','));
    const leaving = args
      .all('remove')
      .flatMap((text) => text.split(','))
      .map(serverId);
    if (members === undefined && joining.length + leaving.length === 0) {
      throw new UsageError('nothing to change: -add, -remove, -members or -file');
    }
    if (members !== undefined && joining.length + leaving.length > 0) {
      throw new UsageError('-members and -file name all members; -add and -remove do not go with them');
    }
    const version = args.flag('v');
    if (version !== undefined && !/^[0-9a-f]+$/i.test(version)) {
      throw new UsageError(`-v ${version}: a hexadecimal version is needed`);
    }
    const { text, stat } = await shell.client.reconfig({
      ...(members === undefined ? { joining, leaving } : { members }),
      ...(version !== undefined && { fromVersion: BigInt(`0x${version}`) }),
      signal: shell.signal,
    });
    const shown = `Committed new configuration:\n${text}`;
    shell.output.show({ text, stat: statJson(stat) }, args.has('s') ? `${shown}\n${statText(stat)}` : shown);
  },
};

async function membersOf(args: Arguments): Promise<string[] | undefined> {
  const [file, list] = [args.flag('file'), args.flag('members')];
  if (file !== undefined && list !== undefined) {
    throw new UsageError('-file and -members exclude each other');
  }
  if (file !== undefined) {
    const lines = (await readFile(file, 'utf8')).split(/\r?\n/).map((line) => line.trim());
    return lines.filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('version='));
  }
  return list?.split(',');
}

function serverId(text: string): number {
  if (!/^\d{1,3}$/.test(text)) {
    throw new UsageError(`-remove ${text}: the number of a server is needed`);
  }
  return Number(text);
}
