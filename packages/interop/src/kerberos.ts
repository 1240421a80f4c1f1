/**
 * Our client logs in by Kerberos: a key distribution centre of this run's own, an Apache ZooKeeper server that demands
 * SASL, and tickets. Needs the npm package `kerberos`, which the client leaves to those
 * who want it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { type Client, connect, isTreekeeperError } from '@treekeeper/client';
import { until } from './ensemble.ts';
import { freePort, Server } from './servers.ts';
import type { Checks, Suite } from './suite.ts';

const REALM = 'EXAMPLE.COM';
const SERVICE = 'zookeeper/localhost';
const USER = 'ann';
const PASSWORD = 'secret';

export const kerberos: Suite = {
  name: 'kerberos',
  summary: 'our client logs in to Apache ZooKeeper by SASL/GSSAPI, with tickets of a KDC of its own',
  async run({ directory }, checks) {
    if (!(await isThere('kerberos'))) {
      checks.note('not run: there is no npm package kerberos; npm install --no-save kerberos');
      return;
    }
    const kdc = await Kdc.start(join(directory, 'kdc'));
    try {
      const server = await startServer(kdc, join(directory, 'kerberos'));
      await checks.part('with a ticket', () => loggedIn(server, kdc, checks));
      await checks.part('without a ticket', () => refusedWithout(server, kdc, checks));
      await server.stop();
    } finally {
      kdc.stop();
    }
  },
};

async function isThere(name: string): Promise<boolean> {
  return await import(name).then(
    () => true,
    () => false,
  );
}

/** A key distribution centre with one service and one user. */
class Kdc {
  readonly directory: string;
  /** For those who use it. */
  readonly environment: Readonly<Record<string, string>>;
  #process: ChildProcess | null = null;

  private constructor(directory: string) {
    this.directory = directory;
    this.environment = {
      KRB5_CONFIG: join(directory, 'krb5.conf'),
      KRB5_KDC_PROFILE: join(directory, 'kdc.conf'),
      KRB5CCNAME: join(directory, 'tickets'),
    };
  }

  static async start(directory: string): Promise<Kdc> {
    mkdirSync(directory);
    const kdc = new Kdc(directory);
    const port = await freePort();
    writeFileSync(kdc.environment['KRB5_CONFIG'] as string, clientText(port));
    writeFileSync(kdc.environment['KRB5_KDC_PROFILE'] as string, kdcText(directory, port));
    writeFileSync(join(directory, 'acl'), '');
    kdc.#run('/usr/sbin/kdb5_util', ['-r', REALM, 'create', '-s', '-P', 'master']);
    const queries = [
      `addprinc -randkey ${SERVICE}`,
      `ktadd -k ${kdc.keyTab} ${SERVICE}`,
      `addprinc -pw ${PASSWORD} ${USER}`,
    ];
    for (const query of queries) {
      kdc.#run('/usr/sbin/kadmin.local', ['-r', REALM, '-q', query]);
    }
    const env = { ...process.env, ...kdc.environment };
    kdc.#process = spawn('/usr/sbin/krb5kdc', ['-n', '-r', REALM], { stdio: 'ignore', env });
    await until('the KDC listens', () => isListening(port));
    return kdc;
  }

  get keyTab(): string {
    return join(this.directory, 'keytab');
  }

  /** Gets the user a ticket, for everybody in this environment. */
  logIn(): void {
    this.#run('/usr/bin/kinit', [USER], `${PASSWORD}\n`);
  }

  logOut(): void {
    this.#run('/usr/bin/kdestroy', []);
  }

  stop(): void {
    this.#process?.kill();
  }

  #run(program: string, args: readonly string[], input = ''): void {
    const env = { ...process.env, ...this.environment };
    const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', input, env });
    if (status !== 0) {
      throw new Error(`${program} ended with ${status}: ${error ?? ''}${stdout}${stderr}`);
    }
  }
}

const clientText = (port: number): string => `[libdefaults]
 default_realm = ${REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 ${REALM} = {
  kdc = 127.0.0.1:${port}
 }
`;

const kdcText = (directory: string, port: number): string => `[realms]
 ${REALM} = {
  database_name = ${directory}/principal
  key_stash_file = ${directory}/stash
  acl_file = ${directory}/acl
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
 }
`;

function isListening(port: number): Promise<true | null> {
  return new Promise((answer) => {
    const socket = connectSocket(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      answer(true);
    });
    socket.once('error', () => answer(null));
  });
}

async function startServer(kdc: Kdc, directory: string): Promise<Server> {
  mkdirSync(directory);
  const jaas = join(directory, 'jaas.conf');
  writeFileSync(
    jaas,
    `Server { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="${kdc.keyTab}"
      storeKey=true useTicketCache=false principal="${SERVICE}@${REALM}"; };\n`,
  );
  return await Server.start({
    flavour: 'apache',
    directory: join(directory, 'server'),
    settings: {
      'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
      sessionRequireClientSASLAuth: 'true',
    },
    javaOptions: [
      `-Djava.security.auth.login.config=${jaas}`,
      `-Djava.security.krb5.conf=${kdc.environment['KRB5_CONFIG']}`,
    ],
  });
}

/** The library under the package reads this process's environment. */
async function logInTo(server: Server, kdc: Kdc): Promise<Client> {
  Object.assign(process.env, kdc.environment);
  return await connect(`localhost:${server.port}`, { sasl: { mechanism: 'GSSAPI' } });
}

async function loggedIn(server: Server, kdc: Kdc, checks: Checks): Promise<void> {
  kdc.logIn();
  await using client = await logInTo(server, kdc);
  const users = (await client.whoAmI()).filter(({ authScheme }) => authScheme === 'sasl').map(({ user }) => user);
  checks.equal('who the server takes us for', users, [`${USER}@${REALM}`]);
  await client.create('/anns', 'x', { acl: [{ perms: 31, id: { scheme: 'sasl', id: `${USER}@${REALM}` } }] });
  checks.equal('what is ours can be read', (await client.get('/anns')).value.length, 1);
}

async function refusedWithout(server: Server, kdc: Kdc, checks: Checks): Promise<void> {
  kdc.logOut();
  const error = await logInTo(server, kdc).then(
    async (client) => await client.close(),
    (reason: unknown) => reason,
  );
  checks.that('AUTH_FAILED, and why', isTreekeeperError(error, 'AUTH_FAILED'), () => String(error));
}
