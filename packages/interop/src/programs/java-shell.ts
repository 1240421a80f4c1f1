import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const SHELL_MS_MAX = 60_000;
const PACE_MS = 60;

/** Commands of zkCli.sh in their order, each with a piece of what it prints. */
export const shellScript: readonly (readonly [command: string, expected: string])[] = [
  ['create /z hello', 'Created /z\n'],
  ['get /z', 'hello\n'],
  ['get -s /z', 'dataLength = 5'],
  ['create /z again', 'Node already exists: /z'],
  ['create /none/child x', 'Node does not exist: /none/child'],
  ['create -e /z/e x', 'Created /z/e\n'],
  ['create -s /z/s- d', 'Created /z/s-0000000001'],
  ['create -e -s /z/es- d', 'Created /z/es-0000000002'],
  ['create -c /z/c', 'Created /z/c\n'],
  ['create -t 100000 /z/t v', 'Created /z/t\n'],
  ['create -s -t 100000 /z/ts- v', 'Created /z/ts-0000000005'],
  ['create /z/e/child', 'Ephemerals cannot have children: /z/e/child'],
  ['ls /', '[z, zookeeper]'],
  ['ls -R /', '/z/es-0000000002\n'],
  ['ls -s /z', 'numChildren = 6'],
  ['stat /z', 'cversion = 6'],
  ['stat /none', 'Node does not exist: /none'],
  ['getAcl /z', "'world,'anyone\n: cdrwa"],
  ['setAcl /z world:anyone:cdrwa', ''],
  ['addauth digest u:p', ''],
  ['create /au x auth::cdrwa', 'Created /au'],
  ['getAcl /au', "'digest,'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=\n: cdrwa"],
  ['create /ip x ip:127.0.0.1/8:rwd', 'Created /ip'],
  ['getAcl -s /ip', "'ip,'127.0.0.1/8\n: drw"],
  ['set /ip changed', ''],
  ['setAcl /ip ip:127.0.0.1:r', 'Insufficient permission : /ip'],
  ['create /bad x nosuch:x:r', 'Acl is not valid : /bad'],
  ['whoami', 'digest: u'],
  ['set /z new', ''],
  ['set -s /z newer', 'dataVersion = 2'],
  ['set -v 7 /z never', 'version No is not valid : /z'],
  ['get /none', 'Node does not exist: /none'],
  ['delete /z', 'Node not empty: /z'],
  ['delete -v 3 /z/c', 'version No is not valid : /z/c'],
  ['setquota -n 100 /z', ''],
  ['setquota -B 10000 /z', ''],
  ['create /z/counted 12345', 'Created /z/counted'],
  ['listquota /z', 'Output stat for /z count=8,bytes='],
  ['delquota -n /z', ''],
  ['listquota /z', 'Output quota for /z count=-1'],
  ['delquota /z', ''],
  ['sync /z', 'Sync is OK'],
  ['version', 'ZooKeeper CLI version: 3.8.0'],
  ['getEphemerals', '[/z/e, /z/es-0000000002]'],
  ['getEphemerals /none', '[]'],
  ['getAllChildrenNumber /', '12'],
  ['get -w /z', 'newer\n'],
  ['ls -w /z', 'counted'],
  ['set /z watched', 'WatchedEvent state:SyncConnected type:NodeDataChanged path:/z\n'],
  ['create /z/w 1', 'WatchedEvent state:SyncConnected type:NodeChildrenChanged path:/z\n'],
  ['addWatch -m PERSISTENT_RECURSIVE /z', ''],
  ['create /z/w/deep 1', 'WatchedEvent state:SyncConnected type:NodeCreated path:/z/w/deep\n'],
  ['delete /z/w/deep', 'WatchedEvent state:SyncConnected type:NodeDeleted path:/z/w/deep\n'],
  ['removewatches /z', 'type:PersistentWatchRemoved path:/z\n'],
  ['set /z unwatched', ''],
  ['stat -w /exist', 'Node does not exist: /exist'],
  ['config', ''],
  ['reconfig -add server.2=127.0.0.1:1:2;3', 'Reconfig is disabled'],
  ['deleteall /z', ''],
  ['ls /', '[au, ip, zookeeper]'],
  ['ls /end', 'Node does not exist: /end'],
];

/**
 * What zkCli.sh prints for the script: first the lines of the commands, then the watch events, which are printed by
 * another thread and may stand anywhere. Clocks and addresses are masked; zxids are not.
 */
export async function shellText(port: number): Promise<string> {
  const command = `exec /usr/share/zookeeper/bin/zkCli.sh -server 127.0.0.1:${port} 2>&1`;
  const child = spawn('sh', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'], timeout: SHELL_MS_MAX });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise((done) => child.once('close', done));
  await seen(() => text.includes('type:None'));
  for (const [line] of shellScript) {
    child.stdin.write(`${line}\n`);
    // One after the other, so that an event stands behind the command that fires it.
    await sleep(PACE_MS);
  }
  await seen(() => text.includes('Node does not exist: /end'));
  child.stdin.end('quit\n');
  await ended;
  return masked(text);
}

async function seen(condition: () => boolean): Promise<void> {
  for (let i = 0; i < SHELL_MS_MAX / 50 && !condition(); i++) {
    await sleep(50);
  }
}

function masked(text: string): string {
  const lines = text
    .split('\n')
    .filter(
      (line) => line !== '' && line !== 'WATCHER::' && !line.startsWith('SLF4J') && !line.startsWith('Connecting to'),
    )
    .map((line) => line.replace(/^([cm]time = ).*/, '$1TIME'))
    .map((line) => line.replace(/^\[(.*)\]$/, (_all, list: string) => `[${list.split(', ').sort().join(', ')}]`));
  const isEvent = (line: string): boolean => line.startsWith('WatchedEvent');
  return `${[...lines.filter((line) => !isEvent(line)), 'events:', ...lines.filter(isEvent)].join('\n')}\n`;
}
