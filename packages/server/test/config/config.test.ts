import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadedConfig, type LoadOptions, loadConfig } from '../../src/config/config.ts';
import { ConfigError, formatNotice, type Notice } from '../../src/config/config-error.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'treekeeper-config-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Writes a zoo.cfg below a data directory of its own and loads it; lines after the two that every file needs. */
function load(lines: string, options: LoadOptions = {}): LoadedConfig {
  return loadConfig({ file: write('zoo.cfg', `dataDir=${dir}\nclientPort=2181\n${lines}`), ...options });
}

function write(name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

/** Notices without the directory, as an operator sees them. */
function shown(notices: readonly Notice[]): string[] {
  return notices.map((notice) => formatNotice(notice).replaceAll(`${dir}/`, ''));
}

function faultsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) {
      return shown(error.faults);
    }
    throw error;
  }
  return [];
}

describe('without a file', () => {
  test('a server on the loopback address that tells the operator everything', () => {
    const { config, warnings, notes } = loadConfig();
    expect(config.listeners).toMatchObject({ clientPort: 2181, clientAddress: '127.0.0.1', secureClientPort: null });
    expect(config.listeners.fourLetterWords).toContain('*');
    expect(config.admin).toMatchObject({ enabled: true, address: '127.0.0.1', port: 8080 });
    expect(config.sessions).toMatchObject({ tickTimeMs: 2000, minTimeoutMs: 4000, maxTimeoutMs: 40_000 });
    expect(config.storage).toMatchObject({ dataDir: './data', dataLogDir: './data', purgeIntervalMs: 3_600_000 });
    expect(config.source).toEqual({ file: null, text: '', properties: new Map() });
    expect(warnings).toEqual([]);
    expect(notes).toEqual([]);
  });

  test('-D goes before the embedded default; four-letter words close when others can reach the port', () => {
    const { config } = loadConfig({ defines: ['clientPort=0', 'zookeeper.clientPortAddress=0.0.0.0'] });
    expect(config.listeners).toMatchObject({ clientPort: 0, clientAddress: '0.0.0.0', fourLetterWords: ['srvr'] });
  });
});

describe('a zoo.cfg', () => {
  test("ZooKeeper's defaults, but for purging", () => {
    const { config } = load('');
    expect(config.listeners).toMatchObject({ clientPort: 2181, clientAddress: null, fourLetterWords: ['srvr'] });
    expect(config.admin.enabled).toBe(false);
    expect(config.sessions).toMatchObject({ tickTimeMs: 3000, minTimeoutMs: 6000, maxTimeoutMs: 60_000 });
    expect(config.storage).toMatchObject({ dataDir: dir, dataLogDir: dir, purgeIntervalMs: 3_600_000 });
    expect(load('autopurge.purgeInterval=0').config.storage.purgeIntervalMs).toBe(0);
  });

  test('values with their units', () => {
    const { config } = load(`
      preAllocSize=1024
      snapshot.compression.method=GZ
      jute.maxbuffer=0x3fffff
      maxClientCnxns=-1
      minSessionTimeout=-1
      maxSessionTimeout=90000
      autopurge.purgeInterval=12h
      pathStats.slotDuration=20
      forceSync=no
      ensembleAuthName=a,b
      superUser=root
      superUser.2=bob
      4lw.commands.whitelist=ruok, stat
      readonlymode.enabled=true`);
    expect(config.storage).toMatchObject({ preallocBytes: 2 ** 20, snapshotCompression: 'gz', forceSync: false });
    expect(config.storage.fieldBytesMax).toBe(2 * 0x3fffff);
    expect(config.storage.purgeIntervalMs).toBe(43_200_000);
    expect(config.limits).toMatchObject({ maxBufferBytes: 0x3fffff, extraBytes: 0x3fffff });
    expect(config.listeners.connectionsPerAddressMax).toBe(0);
    expect(config.listeners.fourLetterWords).toEqual(['ruok', 'stat', 'srvr', 'isro']);
    expect(config.sessions).toMatchObject({ minTimeoutMs: 6000, maxTimeoutMs: 90_000 });
    expect(config.pathStats.slotDurationMs).toBe(20_000);
    expect(config.auth).toMatchObject({ ensembleNames: ['a', 'b'], saslSuperUsers: ['root', 'bob'] });
  });

  test('the extra size is never below 1024 bytes', () => {
    expect(load('jute.maxbuffer.extrasize=0').config.limits.extraBytes).toBe(1024);
  });

  test('identities of a connection fit into what one server takes from another', () => {
    expect(load('').config.auth.identitiesBytesMax).toBe(64 * 1024);
    const small = load('jute.maxbuffer=2000\njute.maxbuffer.extrasize=0').config;
    expect(small.auth.identitiesBytesMax).toBe(small.storage.fieldBytesMax);
    expect(small.storage.fieldBytesMax).toBe(3024);
  });

  test('properties are those that ZooKeeper would have', () => {
    const { config } = load('tickTime=2000\nsnapCount=7\ncom.acme=1\njute.maxbuffer=9000', {
      defines: ['zookeeper.flushDelay=3', 'maxBatchSize=5'],
    });
    expect(Object.fromEntries(config.source.properties)).toEqual({
      'zookeeper.snapCount': '7',
      'zookeeper.com.acme': '1',
      'jute.maxbuffer': '9000',
      'zookeeper.flushDelay': '3',
      'zookeeper.maxBatchSize': '5',
    });
  });

  test('a file that is not there', () => {
    expect(faultsOf(() => loadConfig({ file: join(dir, 'no.cfg') }))).toEqual([
      'no.cfg: cannot be read: there is no such file',
    ]);
  });
});

describe('which of several counts', () => {
  test('zoo.cfg goes before -D, and says so', () => {
    const { config, warnings } = load('snapCount=10', { defines: ['zookeeper.snapCount=20'] });
    expect(config.storage.snapCount).toBe(10);
    expect(shown(warnings)).toEqual([
      'command line: zookeeper.snapCount has no effect, for snapCount in zoo.cfg:3 goes before it',
    ]);
  });

  test('-D goes before zoo.cfg where ZooKeeper reads -D only', () => {
    const { config, warnings } = load('jute.maxbuffer=10', { defines: ['jute.maxbuffer=20'] });
    expect(config.limits.maxBufferBytes).toBe(20);
    expect(shown(warnings)).toEqual([
      'zoo.cfg:3: jute.maxbuffer has no effect, for jute.maxbuffer in command line goes before it',
    ]);
  });

  test('the command line goes before JVMFLAGS, those before SERVER_JVMFLAGS', () => {
    const env = { SERVER_JVMFLAGS: '-Xmx1g -DsnapCount=3 -DflushDelay=3 -DcnxTimeout=3', JVMFLAGS: '-DflushDelay=4' };
    const { config, settings } = load('', { env, defines: ['snapCount=5'] });
    expect(config.storage).toMatchObject({ snapCount: 5, flushDelayMs: 4 });
    expect(settings.find(({ key }) => key === 'cnxTimeout')?.origin).toEqual({
      kind: 'environment',
      variable: 'SERVER_JVMFLAGS',
    });
  });

  test('ZooKeeper’s start script knows a variable against creating directories', () => {
    expect(load('', { env: { ZOO_DATADIR_AUTOCREATE_DISABLE: '1' } }).config.storage.dataDirAutocreate).toBe(false);
  });

  test('the spelling that ZooKeeper reads goes before another one', () => {
    const { config } = load('connection_throttle_tokens=5\nconnectionMaxTokens=9');
    expect(config.connectionThrottle.tokens).toBe(5);
    expect(load('fsync.warningthresholdms=1', { defines: [] }).config.storage.fsyncWarningThresholdMs).toBe(1);
    const defines = ['zookeeper.fsync.warningthresholdms=7', 'fsync.warningthresholdms=8'];
    expect(load('', { defines }).config.storage.fsyncWarningThresholdMs).toBe(7);
  });

  test('the last of two lines counts, and says so', () => {
    const { config, warnings } = load('snapCount=10\nsnapCount=20');
    expect(config.storage.snapCount).toBe(20);
    expect(shown(warnings)).toEqual(['zoo.cfg:3: snapCount is set again in line 4, which is the one that counts']);
  });
});

test('a super user’s password in the place of its digest is warned of, and not shown', () => {
  const key = 'DigestAuthenticationProvider.superDigest';
  const warnings = (digest: string, rest = '') => shown(load(`${key}=${digest}${rest}`).warnings);
  const sha1 = 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=';
  expect(warnings(sha1)).toEqual([]);
  expect(warnings('super:test')).toEqual([
    `zoo.cfg:3: ${key} is no digest, so nobody will be super: expected super: and the base64 of the SHA1 of ` +
      '"super:PASSWORD"; docs/operating/running.md shows how to make it',
  ]);
  const sha256 = '\nDigestAuthenticationProvider.digestAlg=SHA-256';
  expect(warnings(sha1, sha256)).toEqual([expect.stringContaining('of the SHA-256 of')]);
  expect(warnings(`super:${Buffer.alloc(32).toString('base64')}`, sha256)).toEqual([]);
});

test('SASL users whom fips-mode will turn away are warned of', () => {
  const jaas = `java.security.auth.login.config=${write('jaas.conf', '')}`;
  expect(shown(load(jaas).warnings)).toEqual([
    'zoo.cfg:3: SASL users are configured, but fips-mode is on, as it is by default since ZooKeeper 3.9.4: no login with ' +
      'DIGEST-MD5 will work; set fips-mode=false to allow it',
  ]);
  expect(load(`${jaas}\nfips-mode=false`).warnings).toEqual([]);
});

describe('names', () => {
  test('an unknown key is reported with the nearest right one and stops nothing', () => {
    const { warnings } = load('snapCuont=10\ncom.acme.thing=1');
    expect(shown(warnings)).toEqual([
      'zoo.cfg:3: snapCuont is not a known key and has no effect; did you mean snapCount?',
      'zoo.cfg:4: com.acme.thing is not a known key and has no effect',
    ]);
  });

  test('JVM flags of others are passed over, those for ZooKeeper are not', () => {
    const { warnings } = load('', { env: { JVMFLAGS: '-Djava.awt.headless=true -Dzookeeper.snapCuont=1 -Xss1m' } });
    expect(shown(warnings)).toEqual([
      'JVMFLAGS: zookeeper.snapCuont is not a known key and has no effect; did you mean snapCount?',
    ]);
  });

  test('names that ZooKeeper ignores in a file count, and say so', () => {
    const { config, notes } = load('connectionMaxTokens=9\nzookeeper.superUser=bob\nznode.container.maxPerMinute=7');
    expect(config.connectionThrottle.tokens).toBe(9);
    expect(config.auth.saslSuperUsers).toEqual(['bob']);
    expect(config.dataModel.containerMaxPerMinute).toBe(7);
    expect(shown(notes)).toEqual([
      "zoo.cfg:3: connectionMaxTokens is taken for connection_throttle_tokens, the name that ZooKeeper's code reads",
      'zoo.cfg:4: zookeeper.superUser is taken for superUser; ZooKeeper puts "zookeeper." before it once more and ignores it',
      'zoo.cfg:5: znode.container.maxPerMinute counts here; ZooKeeper ignores it in a file and wants -Dznode.container.maxPerMinute',
    ]);
  });

  test('a wrong value of a key that changes nothing stops nothing', () => {
    const { warnings, notes } = load('nio.numWorkerThreads=many');
    expect(shown(warnings)).toEqual([
      'zoo.cfg:3: nio.numWorkerThreads=many: expected an integer, for example nio.numWorkerThreads=1',
    ]);
    expect(notes).toEqual([]);
  });

  test('what changes nothing is told once, all together', () => {
    const { notes } = load(
      'nio.numWorkerThreads=4\ninitLimit=5\nsyncLimit=2\nclient.secure=true\nadmin.httpVersion=11',
    );
    expect(shown(notes)).toEqual([
      'accepted, but there is nothing here for it to change: nio.numWorkerThreads, admin.httpVersion',
      'accepted for ensembles; a lone server does not use it: initLimit, syncLimit',
      'accepted for clients; the server does not use it: client.secure',
    ]);
  });
});

describe('faults', () => {
  test('a wrong value names file, line, key, value, what is allowed and an example', () => {
    expect(faultsOf(() => load('tickTime=fast'))).toEqual([
      'zoo.cfg:3: tickTime=fast: expected an integer from 1 to 2147483647 (ms), for example tickTime=3000',
    ]);
    expect(faultsOf(() => load('', { defines: ['zookeeper.snapCount='] }))).toEqual([
      'command line: zookeeper.snapCount has no value: expected an integer from 2 to 2147483647, for example snapCount=100000',
    ]);
  });

  test('secrets are not repeated', () => {
    const { settings } = load('DigestAuthenticationProvider.superDigest=super:abc');
    const setting = settings.find(({ key }) => key === 'DigestAuthenticationProvider.superDigest');
    expect(setting?.value).toBe('(not shown)');
    expect(faultsOf(() => load('DigestAuthenticationProvider.superDigest='))[0]).toBe(
      'zoo.cfg:3: DigestAuthenticationProvider.superDigest: expected some text',
    );
  });

  test('all of them at once, in the order of the lines', () => {
    const file = write(
      'bad.cfg',
      'tickTime=0\nminSessionTimeout=9\nmaxSessionTimeout=8\nadmin.forceHttps=true\nadmin.enableServer=maybe\nx=\\u12\n',
    );
    expect(faultsOf(() => loadConfig({ file }))).toEqual([
      'bad.cfg:1: tickTime=0: expected an integer from 1 to 2147483647 (ms), for example tickTime=3000',
      'bad.cfg:2: minSessionTimeout, 9 ms, is larger than maxSessionTimeout, 8 ms',
      'bad.cfg:5: admin.enableServer=maybe: expected true or false, for example admin.enableServer=false',
      "bad.cfg:6: \\u must be followed by four hexadecimal digits, not '12'; a backslash is written \\\\",
      'bad.cfg: dataDir is not set; say where the data are to be kept, for example dataDir=/var/lib/zookeeper',
      'bad.cfg: neither clientPort nor secureClientPort is set; for example clientPort=2181',
    ]);
  });

  test('a wrong port is one fault, not a missing one as well', () => {
    const file = write('zoo.cfg', `dataDir=${dir}\nclientPort=abc\nclientPortAddress=::1`);
    expect(faultsOf(() => loadConfig({ file }))).toEqual([
      'zoo.cfg:2: clientPort=abc: expected an integer from 0 to 65535, for example clientPort=2181',
    ]);
  });

  test.each([
    [
      'minSessionTimeout=90000',
      'zoo.cfg:3: minSessionTimeout, 90000 ms, is larger than maxSessionTimeout, 60000 ms (20 ticks)',
    ],
    ['secureClientPortAddress=::1', 'zoo.cfg:3: secureClientPortAddress is set, but secureClientPort is not'],
    [
      'secureClientPort=2281',
      "zoo.cfg:3: secureClientPort needs ssl.keyStore.location, the server's own key and certificate",
    ],
    [
      'client.portUnification=true',
      "zoo.cfg:3: client.portUnification needs ssl.keyStore.location, the server's own key and certificate",
    ],
    [
      'ssl.keyStore.location=/no.pem\nsecureClientPort=2281',
      'zoo.cfg:3: ssl.keyStore.location=/no.pem: there is no such file',
    ],
    [
      'admin.enableServer=true\nadmin.forceHttps=true',
      "zoo.cfg:4: admin.forceHttps needs ssl.quorum.keyStore.location, the server's own key and certificate",
    ],
    ['admin.enableServer=true\nadmin.serverPort=2181', 'zoo.cfg:4: clientPort and admin.serverPort are both 2181'],
    [
      'enforce.auth.enabled=true',
      'zoo.cfg:3: enforce.auth.schemes: enforce.auth.enabled is on, but enforce.auth.schemes names none',
    ],
    [
      'authProvider.1=com.acme.Provider',
      "zoo.cfg:3: authProvider.1: unknown authentication provider 'com.acme.Provider'; there are ip, digest, x509, sasl, ensemble",
    ],
    [
      'metricsProvider.className=com.acme.Metrics',
      'zoo.cfg:3: metricsProvider.className=com.acme.Metrics is Java code that cannot be run here; there is ' +
        'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider',
    ],
    [
      'quorum.auth.learnerRequireSasl=true',
      'zoo.cfg:3: quorum.auth.learnerRequireSasl=true needs quorum.auth.enableSasl=true',
    ],
    ['electionAlg=2', 'zoo.cfg:3: electionAlg=2: expected 3, for example electionAlg=3'],
    [
      'skipACL=true',
      'zoo.cfg:3: skipACL=true: expected yes or no (this key does not take true or false), for example skipACL=no',
    ],
  ])('%s', (lines, fault) => {
    expect(faultsOf(() => load(lines))).toEqual([fault]);
  });

  test('every faulty auth provider is named, and a scheme that is demanded but missing', () => {
    const lines = 'authProvider.1=a.B\nauthProvider.2=c.D\nenforce.auth.enabled=true\nenforce.auth.schemes=digest,sasl';
    expect(faultsOf(() => load(lines))).toEqual([
      expect.stringMatching(/^zoo.cfg:3: authProvider.1: unknown/),
      expect.stringMatching(/^zoo.cfg:4: authProvider.2: unknown/),
      expect.stringMatching(/^zoo.cfg:6: enforce.auth.schemes: authentication scheme 'sasl' is required/),
    ]);
  });

  test('a scheme that is provided may be demanded', () => {
    const provider = 'authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider';
    const { config } = load(`${provider}\nenforce.auth.enabled=true\nenforce.auth.schemes=digest,sasl`);
    expect(config.auth).toMatchObject({ enforceAuth: true, enforcedSchemes: ['digest', 'sasl'] });
    expect(faultsOf(() => load('sessionRequireClientSASLAuth=true'))).toHaveLength(1);
  });
});

describe('warnings', () => {
  test.each([
    ['autopurge.snapRetainCount=1', 'zoo.cfg:3: autopurge.snapRetainCount=1 is too few; 3 are kept'],
    [
      'dataLogDir=logs',
      'zoo.cfg:3: dataLogDir=logs is relative to the working directory; write ./logs if that is meant',
    ],
    ['skipACL=yes', 'zoo.cfg:3: skipACL=yes: every client may read and change everything'],
    ['forceSync=no', 'zoo.cfg:3: forceSync=no: writes are answered before they are on disk; a power cut loses them'],
  ])('%s', (line, warning) => {
    expect(shown(load(line).warnings)).toEqual([warning]);
  });

  test('three snapshots are kept at least', () => {
    expect(load('autopurge.snapRetainCount=1').config.storage.purgeRetainCount).toBe(3);
  });
});

describe('metrics', () => {
  const prometheus = 'metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n';

  test('without a port the endpoint is where the documentation says', () => {
    const { config, notes } = load(prometheus);
    expect(config.metrics).toMatchObject({ prometheusEnabled: true, httpPort: 7000, httpsPort: -1 });
    expect(shown(notes)).toEqual(['zoo.cfg:3: metricsProvider.httpPort is not set; the endpoint is on port 7000']);
  });

  test('with a port it is there', () => {
    expect(load(`${prometheus}metricsProvider.httpPort=9000`).config.metrics.httpPort).toBe(9000);
    expect(load('metricsProvider.httpPort=9000').config.metrics.prometheusEnabled).toBe(false);
  });

  test('client certificates', () => {
    expect(load('').config.metricsTls.clientAuth).toBe('need');
    expect(load('metricsProvider.ssl.need.client.auth=false').config.metricsTls.clientAuth).toBe('want');
    const neither = 'metricsProvider.ssl.need.client.auth=false\nmetricsProvider.ssl.want.client.auth=false';
    expect(load(neither).config.metricsTls.clientAuth).toBe('none');
  });
});
