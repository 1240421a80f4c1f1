/**
 * Our election, on our ports, as one of three voters with two Apache ZooKeeper servers: all must agree on the leader,
 * whoever comes first. Our voter only votes; what a leader and a follower do after that belongs to other suites.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketType, PeerState } from '@treekeeper/protocol';
import {
  Configuration,
  DigestMd5Client,
  DigestMd5Server,
  Election,
  type Link,
  NodePeers,
  type PeerAddresses,
  type PeerInput,
  type PeerSecurity,
  QUORUM_REALM,
  QUORUM_SERVICE,
} from '@treekeeper/server/internal';
import { fourLetterWord } from './raw-client.ts';
import { freePort, repositoryRoot, Server } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';

const WAIT_MS_MAX = 60_000;
const TICK_MS = 1000;

export const election: Suite = {
  name: 'election',
  summary: 'our election and ports as the third voter of two Apache ZooKeeper servers',
  async run(options, checks) {
    await checks.part('we come first', () => weFirst(options, checks));
    await checks.part('one of them comes first', () => oneFirst(options, checks));
    await checks.part('we join them, and elect with the one that is left', () => weJoin(options, checks, 'plain'));
    await checks.part('we are elected', () => weLead(options, checks));
    await checks.part('with TLS', () => weJoin(options, checks, 'tls'));
    await checks.part('with SASL', () => weJoin(options, checks, 'sasl'));
  },
};

async function until<T>(what: string, find: () => T | null | Promise<T | null>): Promise<T> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await find();
    if (found !== null) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${WAIT_MS_MAX} ms`);
    }
    await sleep(20);
  }
}

function addressesOf({ id, addresses }: Configuration['members'][number]): PeerAddresses {
  return {
    serverId: id,
    quorum: addresses.map(({ host, quorumPort }) => ({ host, port: quorumPort })),
    election: addresses.map(({ host, electionPort }) => ({ host, port: electionPort })),
  };
}

/** A server that is elected opens its port a moment later than those who elect it may ask for it. */
const CONNECT_TRIES_MAX = 5;
const CONNECT_DELAY_MS = 200;

/** Our voter: votes, and looks again when there is no leader where it was elected. */
class Voter {
  readonly #configuration: Configuration;
  readonly #election: Election;
  readonly #peers: NodePeers;
  readonly #timer: NodeJS.Timeout;
  #link: Link | null = null;
  #triesLeft = 0;
  /** First packet types of learners that have come. */
  readonly learners: number[] = [];
  /** What went wrong on the way. */
  readonly warnings: string[] = [];

  private constructor(serverId: number, configuration: Configuration, peers: NodePeers, warnings: string[]) {
    this.#configuration = configuration;
    this.#peers = peers;
    this.warnings = warnings;
    const log = { info: () => {}, warn: (text: string) => warnings.push(text), error: () => {} };
    const intervals = { notificationIntervalMsMin: 200, notificationIntervalMsMax: 60_000 };
    this.#election = new Election({ serverId, ...intervals, adoptsConfigurations: false }, peers, log);
    this.#timer = setInterval(() => this.#act(() => this.#election.tick(performance.now())), 5);
  }

  static async start(serverId: number, text: string, security: PeerSecurity | null): Promise<Voter> {
    const configuration = Configuration.parse(text);
    const warnings: string[] = [];
    let voter: Voter | null = null;
    const peers = await NodePeers.create({
      serverId,
      handshakeTimeoutMs: 5000,
      ...(security !== null && { security }),
      log: { info: () => {}, warn: (warning) => warnings.push(warning), error: (error) => warnings.push(error) },
      push: (input) => voter?.receive(input),
      onBindFailed: (error) => warnings.push(error.message),
    });
    peers.setMembers(configuration.members.map(addressesOf), false);
    await peers.opened();
    voter = new Voter(serverId, configuration, peers, warnings);
    voter.look();
    return voter;
  }

  /** The server that we take for the leader; null while looking. */
  get leader(): number | null {
    return this.#election.decided?.leader ?? null;
  }

  look(): void {
    this.#triesLeft = 0;
    this.#link?.close();
    this.#link = null;
    this.#election.leave(null);
    const history = { lastZxid: 0, currentEpoch: 0 };
    this.#act(() => this.#election.start(performance.now(), history, this.#configuration, null));
  }

  receive(input: PeerInput): void {
    if (input.kind === 'notification') {
      this.#act(() => this.#election.receive(input.serverId, input.bytes, performance.now()));
    } else if (input.kind === 'link-open') {
      this.#triesLeft = 0;
    } else if (input.kind === 'link-data') {
      this.learners.push(new DataView(input.bytes.buffer, input.bytes.byteOffset).getInt32(0));
    } else if (input.kind === 'link-gone' && input.link === this.#link) {
      this.#link = null;
      if (this.#triesLeft > 0) {
        setTimeout(() => this.#connect(), CONNECT_DELAY_MS);
      } else {
        this.look();
      }
    }
  }

  #connect(): void {
    const { leader } = this;
    if (this.#triesLeft > 0 && leader !== null) {
      this.#triesLeft--;
      this.#link = this.#peers.connect(leader, TICK_MS, 'quorum');
    }
  }

  /** What follows a decision: a leader opens its port, a follower must find it open. */
  #act(step: () => void): void {
    const before = this.#election.decided;
    step();
    const { decided } = this.#election;
    if (decided === null || decided === before) {
      return;
    }
    if (decided.state === PeerState.leading) {
      this.#peers.listen('quorum');
    } else {
      this.#triesLeft = CONNECT_TRIES_MAX;
      this.#connect();
    }
  }

  stop(): void {
    this.#triesLeft = 0;
    clearInterval(this.#timer);
    this.#peers.close();
  }
}

type Kind = 'plain' | 'tls' | 'sasl';

/** Three servers' worth of ports, and the text that all of them go by. */
class Ensemble {
  readonly text: string;
  readonly #kind: Kind;
  readonly #directory: string;
  readonly #servers = new Map<number, Server>();
  #voter: Voter | null = null;

  private constructor(kind: Kind, directory: string, lines: readonly string[]) {
    this.#kind = kind;
    this.#directory = directory;
    this.text = [...lines, 'version=0'].join('\n');
  }

  static async of(kind: Kind, directory: string): Promise<Ensemble> {
    const lines: string[] = [];
    for (const id of [1, 2, 3]) {
      lines.push(`server.${id}=127.0.0.1:${await freePort()}:${await freePort()}:participant`);
    }
    return new Ensemble(kind, directory, lines);
  }

  async apache(serverId: number): Promise<Server> {
    const lines = this.text.split('\n').filter((line) => line.startsWith('server.'));
    const members = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
    const directory = join(this.#directory, `apache-${serverId}`);
    const server = await Server.create({
      flavour: 'apache',
      directory,
      settings: { tickTime: TICK_MS, initLimit: 10, syncLimit: 5, ...members, ...SETTINGS[this.#kind] },
      javaOptions: this.#kind === 'sasl' ? [`-Djava.security.auth.login.config=${join(directory, 'jaas.conf')}`] : [],
    });
    writeFileSync(join(server.dataDirectory, 'myid'), `${serverId}\n`);
    writeFileSync(join(directory, 'jaas.conf'), JAAS);
    server.launch();
    this.#servers.set(serverId, server);
    return server;
  }

  /** Whether someone listens on the election port; null: not yet. */
  async isElecting(serverId: number): Promise<true | null> {
    const port = Configuration.parse(this.text).member(serverId)?.addresses[0].electionPort ?? 0;
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return isOpen || null;
  }

  async voter(serverId: number): Promise<Voter> {
    this.#voter = await Voter.start(serverId, this.text, SECURITY[this.#kind]());
    return this.#voter;
  }

  /** The Apache server that leads the others, once they serve. */
  async leader(): Promise<number> {
    for (const server of this.#servers.values()) {
      await server.waitUntilServing();
    }
    return until('a leader among the Apache servers', async () => {
      for (const [id, { port }] of this.#servers) {
        if ((await fourLetterWord(port, 'srvr').catch(() => '')).includes('Mode: leader')) {
          return id;
        }
      }
      return null;
    });
  }

  async end(): Promise<void> {
    this.#voter?.stop();
    for (const server of this.#servers.values()) {
      await server.kill();
    }
  }
}

async function agree(ensemble: Ensemble, voter: Voter, checks: Checks, name: string): Promise<void> {
  const leader = await ensemble.leader();
  await until(`${name}: a decision of ours`, () => voter.leader);
  checks.equal(`${name}: the leader`, voter.leader, leader);
  checks.equal(`${name}: warnings`, voter.warnings, []);
}

async function weFirst(options: Options, checks: Checks): Promise<void> {
  const ensemble = await Ensemble.of('plain', join(options.directory, 'we-first'));
  const voter = await ensemble.voter(1);
  await Promise.all([ensemble.apache(2), ensemble.apache(3)]);
  await agree(ensemble, voter, checks, 'we first');
  await ensemble.end();
}

async function oneFirst(options: Options, checks: Checks): Promise<void> {
  const ensemble = await Ensemble.of('plain', join(options.directory, 'one-first'));
  await ensemble.apache(2);
  await until('the election port of server 2', () => ensemble.isElecting(2));
  const voter = await ensemble.voter(1);
  checks.equal('one first: elected by the two of us', await until('a decision', () => voter.leader), 2);
  await ensemble.apache(3);
  await agree(ensemble, voter, checks, 'one first');
  await ensemble.end();
}

async function weJoin(options: Options, checks: Checks, kind: Kind): Promise<void> {
  const ensemble = await Ensemble.of(kind, join(options.directory, `we-join-${kind}`));
  const servers = new Map<number, Server>();
  for (const id of [1, 3]) {
    servers.set(id, await ensemble.apache(id));
  }
  const leader = await ensemble.leader();
  const voter = await ensemble.voter(2);
  await agree(ensemble, voter, checks, `${kind}: joining`);
  await servers.get(leader)?.kill();
  // It has a history, and we have none.
  const left = leader === 1 ? 3 : 1;
  await until(`${kind}: a new leader`, () => (voter.leader === left ? left : null));
  await ensemble.end();
}

async function weLead(options: Options, checks: Checks): Promise<void> {
  const ensemble = await Ensemble.of('plain', join(options.directory, 'we-lead'));
  const voter = await ensemble.voter(3);
  await Promise.all([ensemble.apache(1), ensemble.apache(2)]);
  await until('a decision of ours', () => voter.leader);
  checks.equal('we lead: the leader', voter.leader, 3);
  await until('both followers', () => (voter.learners.length >= 2 ? voter : null));
  checks.equal('we lead: what followers send', [...new Set(voter.learners)], [PacketType.followerInfo]);
  checks.equal('we lead: warnings', voter.warnings, []);
  await ensemble.end();
}

// ---- TLS and SASL ---------------------------------------------------------------------------------------------------

const STORES = join(repositoryRoot, 'packages/server/test/host/tls-stores');
const PASSWORD = 'changeit';
const USER = 'treekeeper';

const JAAS = `QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_${USER}="${PASSWORD}"; };
QuorumLearner { org.apache.zookeeper.server.auth.DigestLoginModule required
  username="${USER}" password="${PASSWORD}"; };
`;

const SETTINGS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  plain: {},
  tls: {
    sslQuorum: 'true',
    'ssl.quorum.keyStore.location': join(STORES, 'server.p12'),
    'ssl.quorum.keyStore.password': PASSWORD,
    'ssl.quorum.trustStore.location': join(STORES, 'trust-java.p12'),
    'ssl.quorum.trustStore.password': PASSWORD,
  },
  sasl: {
    'quorum.auth.enableSasl': 'true',
    'quorum.auth.learnerRequireSasl': 'true',
    'quorum.auth.serverRequireSasl': 'true',
  },
};

const SECURITY: Readonly<Record<Kind, () => PeerSecurity | null>> = {
  plain: () => null,
  tls: () => ({
    sslQuorum: true,
    portUnification: false,
    sasl: null,
    tls: {
      keyStoreFile: join(STORES, 'server.p12'),
      keyStorePassword: PASSWORD,
      keyStorePasswordFile: null,
      keyStoreType: null,
      trustStoreFile: join(STORES, 'trust-java.p12'),
      trustStorePassword: PASSWORD,
      trustStorePasswordFile: null,
      trustStoreType: null,
      protocol: null,
      enabledProtocols: null,
      cipherSuites: null,
      clientAuth: 'need',
      verifyHostname: true,
      verifyClientHostname: true,
      allowReverseDnsLookup: false,
      checkRevocationLists: false,
      checkOcsp: false,
      handshakeDetectionTimeoutMs: 5000,
      reloadOnChange: false,
    },
  }),
  sasl: () => {
    const common = { service: QUORUM_SERVICE, randomBytes };
    return {
      tls: null,
      sslQuorum: false,
      portUnification: false,
      sasl: {
        startClient: () => new DigestMd5Client({ ...common, user: USER, password: PASSWORD, serverName: QUORUM_REALM }),
        startServer: () => {
          const passwordOf = (user: string) => (user === USER ? PASSWORD : undefined);
          return new DigestMd5Server({ ...common, realm: QUORUM_REALM, passwordOf });
        },
        isRequired: true,
      },
    };
  },
};
