import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** What each of the distribution's packages gives us, by a file of it. */
const packages: readonly (readonly [name: string, file: string])[] = [
  ['libzookeeper-java', '/usr/share/java/zookeeper.jar'],
  ['zookeeper', '/usr/share/zookeeper/bin/zkCli.sh'],
  ['zookeeper-bin', '/usr/lib/zookeeper/bin/cli_mt'],
  ['tmux', '/usr/bin/tmux'],
  ['faketime', '/usr/bin/faketime'],
  ['krb5-kdc', '/usr/sbin/krb5kdc'],
  ['krb5-admin-server', '/usr/sbin/kadmin.local'],
  ['krb5-user', '/usr/bin/kinit'],
  ['python3-kazoo', '/usr/lib/python3/dist-packages/kazoo/client.py'],
];

/** Installs the peers that are missing (as root, with apt-get), or throws an error that names them. */
export function installPrerequisites(): void {
  const missing = packages.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (missing.length === 0) {
    return;
  }
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    throw new Error(`missing: ${missing.join(', ')}. Install them as root: ${command}`);
  }
  process.stdout.write(`installing ${missing.join(', ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit', env });
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { stdio: 'inherit', env });
}
