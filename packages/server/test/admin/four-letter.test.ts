import { describe, expect, test } from 'vitest';
import { answerWord, argumentLength, WordWhitelist, wordOf } from '../../src/admin/four-letter.ts';
import { operationText } from '../../src/metrics/statistics.ts';
import { busyConnection, FakeControl, fakeConnection, fakeView } from './fake-view.ts';

const all = new WordWhitelist('*', false);
const VERSION = '3.10.0-treekeeper-0.1.0, built on 2026-11-21 00:00 UTC';

function ask(word: string, view = fakeView(), argument: Uint8Array | null = null): string | null {
  return answerWord(word, argument, all, view, new FakeControl());
}

function intOf(word: string): number {
  return new DataView(new TextEncoder().encode(word).buffer).getInt32(0);
}

const WORDS = 'ruok isro srvr stat conf cons crst srst dump envi wchs wchc wchp mntr dirs hash gtmk stmk'.split(' ');

describe('which bytes are a word', () => {
  test('the eighteen words by their first four bytes', () => {
    expect(WORDS.map((word) => wordOf(intOf(word)))).toEqual(WORDS);
  });

  test.each(['lsnr', 'RUOK', 'ruoK', '\0\0\0\u002d', '\0\0\0\0'])('%j is none', (bytes) => {
    expect(wordOf(intOf(bytes))).toBeNull();
  });

  test('only stmk takes more bytes', () => {
    expect(WORDS.filter((word) => argumentLength(word) > 0)).toEqual(['stmk']);
    expect(argumentLength('stmk')).toBe(8);
  });
});

describe('4lw.commands.whitelist', () => {
  const allowed = (whitelist: WordWhitelist) => WORDS.filter((word) => whitelist.allows(word));

  test('srvr alone by default, isro too where the server may become read-only', () => {
    expect(allowed(new WordWhitelist(null, false))).toEqual(['srvr']);
    expect(allowed(new WordWhitelist(null, true))).toEqual(['isro', 'srvr']);
  });

  test('a list, with blanks; srvr is always open; a star opens all', () => {
    expect(allowed(new WordWhitelist('mntr, ruok ,nope', true))).toEqual(['ruok', 'srvr', 'mntr']);
    expect(allowed(new WordWhitelist('', false))).toEqual(['srvr']);
    expect(allowed(new WordWhitelist('ruok, *', false))).toEqual(WORDS);
  });

  test('the refusal, even while not serving', () => {
    const whitelist = new WordWhitelist(null, false);
    const answer = answerWord('mntr', null, whitelist, fakeView({ serving: false }), new FakeControl());
    expect(answer).toBe('mntr is not executed because it is not in the whitelist.\n');
  });
});

describe('while the tree is not served', () => {
  const view = fakeView({ serving: false });
  const refusal = 'This ZooKeeper instance is not currently serving requests';

  test.each(WORDS.filter((word) => !['ruok', 'envi', 'gtmk', 'stmk', 'isro', 'hash'].includes(word)))('%s', (word) => {
    expect(ask(word, view)).toBe(`${refusal}\n`);
  });

  test('the others', () => {
    expect(ask('hash', view)).toBe(refusal);
    expect(ask('ruok', view)).toBe('imok');
    expect(ask('isro', view)).toBe('null');
    expect(ask('gtmk', view)).toBe('306');
    expect(ask('stmk', view, new Uint8Array(8))).toBe('0');
    expect(ask('envi', view)).toContain('zookeeper.version=');
  });
});

describe('the answers, to the byte', () => {
  test('ruok, isro, gtmk have no line end', () => {
    expect(ask('ruok')).toBe('imok');
    expect(ask('isro')).toBe('rw');
    expect(ask('isro', fakeView({ mode: 'read-only' }))).toBe('ro');
    expect(ask('gtmk')).toBe('306');
  });

  test('stmk sets a signed 64-bit mask and shows it; without its bytes there is no answer', () => {
    const control = new FakeControl();
    const argument = new Uint8Array([9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]).subarray(1);
    expect(answerWord('stmk', argument, all, fakeView(), control)).toBe('-2');
    expect(answerWord('stmk', null, all, fakeView(), control)).toBeNull();
    expect(answerWord('stmk', new Uint8Array(7), all, fakeView(), control)).toBeNull();
    expect(control.done).toEqual(['setTraceMask -2']);
  });

  test('crst and srst', () => {
    const control = new FakeControl();
    expect(answerWord('crst', null, all, fakeView(), control)).toBe('Connection stats reset.\n');
    expect(answerWord('srst', null, all, fakeView(), control)).toBe('Server stats reset.\n');
    expect(control.done).toEqual(['resetConnectionStatistics', 'resetStatistics']);
  });

  const block = `Latency min/avg/max: 0/6.9/19
Received: 1701
Sent: 1741
Connections: 2
Outstanding: 0
Zxid: 0x100000000
Mode: standalone
Node count: 5
`;

  test('srvr', () => {
    expect(ask('srvr')).toBe(`Zookeeper version: ${VERSION}\n${block}`);
  });

  test('srvr of a read-only server', () => {
    const readOnly = block.replace('standalone', 'read-only');
    expect(ask('srvr', fakeView({ mode: 'read-only' }))).toBe(
      `Zookeeper version: ${VERSION}\nREAD-ONLY mode; serving only read-only clients\n${readOnly}`,
    );
  });

  test('the version line is parsed by clients: digits up to the first dash, and a build date', () => {
    const [, version] = /^Zookeeper version: ([^-]+)-[^,]*, built on .*\n/.exec(ask('srvr') ?? '') ?? [];
    expect(version.split('.').map(Number)).toEqual([3, 10, 0]);
  });

  test('stat', () => {
    expect(ask('stat')).toBe(`Zookeeper version: ${VERSION}
Clients:
 /127.0.0.1:58464[1](queued=0,recved=4,sent=4)
 /127.0.0.1:58470[0](queued=0,recved=0,sent=0)

${block}`);
  });

  test('cons: sid in hex, cxid of the last request that has one, latencies as whole milliseconds', () => {
    expect(ask('cons')).toBe(
      ' /127.0.0.1:58464[1](queued=0,recved=4,sent=4,sid=0x100001d08b8005d,lop=GETD,est=1795219390762,to=40000,' +
        'lcxid=0x3,lzxid=0x4ec,lresp=2679017,llat=0,minlat=0,avglat=1,maxlat=3)\n' +
        ' /127.0.0.1:58470[0](queued=0,recved=0,sent=0)\n\n',
    );
  });

  test('cons of a session after crst, over IPv6', () => {
    const connection = busyConnection();
    connection.statistics.reset();
    const view = fakeView({ connections: () => [{ ...connection, remoteAddress: '::1', interestOps: 5 }] });
    expect(ask('cons', view)).toBe(
      ' /[::1]:58464[5](queued=0,recved=0,sent=0,sid=0x100001d08b8005d,lop=NA,est=1795219390762,to=40000,' +
        'lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)\n\n',
    );
  });

  test('cons without connections is an empty line', () => {
    expect(ask('cons', fakeView({ connections: () => [] }))).toBe('\n');
  });

  test('conf', () => {
    expect(ask('conf')).toBe(`clientPort=2181
secureClientPort=-1
dataDir=/data/version-2
dataDirSize=666
dataLogDir=/log/version-2
dataLogSize=67109337
tickTime=2000
maxClientCnxns=60
minSessionTimeout=4000
maxSessionTimeout=40000
clientPortListenBacklog=-1
serverId=0
`);
  });

  test('dump', () => {
    expect(ask('dump')).toBe(`SessionTracker dump:
Session Sets (2)/(2):
1 expire at Sat Nov 21 00:09:51 UTC 2026:
\t0x100001b5d920061
1 expire at Sat Nov 21 00:10:11 UTC 2026:
\t0x100001d08b8005d
ephemeral nodes dump:
Sessions with Ephemerals (1):
0x100001b5d920061:
\t/app/e
\t/app/f
Connections dump:
Connections Sets (1)/(1):
1 expire at Sat Nov 21 00:10:11 UTC 2026:
\tip: /127.0.0.1:58464 sessionId: 0x100001d08b8005d
`);
  });

  test('dump of an idle server', () => {
    const view = fakeView({
      sessionsByExpiry: () => [],
      ephemeralsBySession: () => [],
      connections: () => [fakeConnection()],
    });
    expect(ask('dump', view)).toBe(`SessionTracker dump:
Session Sets (0)/(0):
ephemeral nodes dump:
Sessions with Ephemerals (0):
Connections dump:
Connections Sets (0)/(0):
`);
  });

  test('dump of a follower: what its leader decides about, behind what is its own', () => {
    const foreignSessions = () => [
      [0x300n, 4000] as const,
      [0x100001d08b8005dn, 30_000] as const,
      [0x2n, 10_000] as const,
    ];
    const shared =
      'Global Sessions(3):\n0x2\t10000ms\n0x300\t4000ms\n0x100001d08b8005d\t30000ms\nephemeral nodes dump:\n';
    const none = fakeView({ foreignSessions, sessionsByExpiry: () => [], localSessionCount: 0 });
    expect(ask('dump', none)).toMatch(`SessionTracker dump:\n${shared}`);
    const some = fakeView({ foreignSessions, sessionsByExpiry: () => [], localSessionCount: 1 });
    expect(ask('dump', some)).toMatch(`SessionTracker dump:\nLocal Session Sets (0)/(0):\n${shared}`);
  });

  test('envi', () => {
    expect(ask('envi')).toBe('Environment:\nzookeeper.version=3.10.0-x, built on y\nhost.name=h1\n');
  });

  test('wchs, wchc, wchp', () => {
    expect(ask('wchs')).toBe('2 connections watching 3 paths\nTotal watches:3\n');
    expect(ask('wchc')).toBe('0x100001d08b8005d\n\t/app\n\t/nope\n0x8100000000000001\n\t/app\n\n');
    expect(ask('wchp')).toBe('/app\n\t0x100001d08b8005d\n\t0x8100000000000001\n/nope\n\t0x100001d08b8005d\n\n');
    const idle = fakeView({ watchesBySession: () => [], watchesByPath: () => [] });
    expect([ask('wchc', idle), ask('wchp', idle)]).toEqual(['\n', '\n']);
  });

  test('dirs and hash', () => {
    expect(ask('dirs')).toBe('datadir_size: 666\nlogdir_size: 67109337\n');
    expect(ask('hash')).toBe('80: 2537813934\n100: 9223372036854775807\n');
    expect(ask('hash', fakeView({ digests: () => [] }))).toBe('');
  });

  test('mntr: version and state first, then zk_key, tab, value', () => {
    const lines = (ask('mntr') ?? '').split('\n');
    expect(lines.slice(0, 8)).toEqual([
      `zk_version\t${VERSION}`,
      'zk_server_state\tstandalone',
      'zk_ephemerals_count\t1',
      'zk_num_alive_connections\t2',
      'zk_avg_latency\t6.9',
      'zk_outstanding_requests\t0',
      'zk_znode_count\t5',
      'zk_global_sessions\t2',
    ]);
    expect(lines).toContain('zk_uptime\t18965');
    expect(lines).toContain('zk_max_latency\t19');
    expect(lines).toContain('zk_connection_drop_probability\t0.0');
    expect(lines.at(-1)).toBe('');
    expect(lines.slice(2, -1).filter((line) => !/^zk_[\w.-]+\t-?\d+(\.\d+)?$/.test(line))).toEqual([]);
  });
});

test('operations have the short names of cons', () => {
  expect([-10, 11, 1, 15, 2, 5, 7, 4, 3, 8, 12, 6, 104, 9, 14, 22].map(operationText).join(' ')).toBe(
    'SESS PING CREA CREA DELE SETD SETA GETD EXIS GETC GETC GETA GETACN SYNC MULT MLTR',
  );
  expect([101, 105, 106, 17, 18, 103, 107, 16, -11, 13, 0, 999].map(operationText).join(' ')).toBe(
    'SETW STW2 ADDW CHKW REMW GETE HOMI RECO CLOS CHEC NA NA',
  );
});
