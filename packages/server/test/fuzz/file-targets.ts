/** What is read from disk: logs, snapshots, epochs, configuration, key stores. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JuteError, parseJavaProperties } from '@treekeeper/protocol';
import { SimulatedDisk } from '../../../simulator/src/disk.ts';
import { isDistinguishedName } from '../../src/auth/distinguished-name.ts';
import { parseAddress, parseRange } from '../../src/auth/ip-address.ts';
import { JaasError, parseJaas } from '../../src/auth/jaas.ts';
import { NameRuleError, parseNameRules, saslName } from '../../src/auth/kerberos-names.ts';
import { loadConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { DerError } from '../../src/host/key-store/der.ts';
import { readJks } from '../../src/host/key-store/jks.ts';
import { readPem } from '../../src/host/key-store/pem.ts';
import { readPkcs12 } from '../../src/host/key-store/pkcs12.ts';
import { StoreError } from '../../src/host/key-store/store.ts';
import { StorageError } from '../../src/io/storage-error.ts';
import { parseEpoch } from '../../src/storage/epochs.ts';
import { LogReader } from '../../src/storage/log-reader.ts';
import { readSnapshot } from '../../src/storage/snapshot-reader.ts';
import { SnapshotStreamReader } from '../../src/storage/snapshot-stream-reader.ts';
import { TxnSplitter, UnknownTxnTypeError } from '../../src/storage/txn-body.ts';
import { Configuration, ConfigurationFault } from '../../src/zab/configuration.ts';
import { golden, RecordingSink } from '../storage/support.ts';
import { configurationOf, goldenText } from '../zab/support.ts';
import type { Target } from './fuzzer.ts';
import { expecting, expectSame } from './wire-targets.ts';

const FIELD_BYTES_MAX = 0xfffff;
const LOG_NAME = 'log.1';

function files(folder: string, prefix: string): Uint8Array[] {
  const names = readdirSync(join(golden, folder)).filter((name) => name.startsWith(prefix));
  return names.map((name) => new Uint8Array(readFileSync(join(golden, folder, name)).subarray(0, 1500)));
}

function texts(...list: readonly string[]): () => Uint8Array[] {
  return () => list.map((text) => new Uint8Array(Buffer.from(text)));
}

const logs: Target = {
  name: 'logs',
  seeds: () => files('standalone-basic/version-2', 'log.').map((bytes) => bytes.slice(0, 1200)),
  run(bytes) {
    const disk = new SimulatedDisk();
    disk.put('log', LOG_NAME, bytes);
    const splitter = new TxnSplitter();
    expecting([StorageError], () => {
      const reader = new LogReader(disk, { name: LOG_NAME, sizeBytes: bytes.length, zxid: 1 }, FIELD_BYTES_MAX);
      while (reader.next()) {
        const { bytes: all, bodyStart, bodyEnd } = reader;
        expecting([JuteError, UnknownTxnTypeError, RangeError], () => splitter.split(all, bodyStart, bodyEnd));
      }
    });
  },
};

/** Anything but a bug of ours: readers of snapshots throw plain errors, which make recovery try the next. */
function notOurs(act: () => void): void {
  try {
    act();
  } catch (error) {
    const isBug = error instanceof TypeError || (error instanceof Error && error.name === 'AssertionFailure');
    if (isBug || !(error instanceof Error) || /heap|Maximum call stack|Invalid array length/.test(error.message)) {
      throw error;
    }
  }
}

/** The first byte says how it is compressed. */
const snapshots: Target = {
  name: 'snapshots',
  seeds: () => {
    const variants = join(golden, 'snapshot-variants');
    return readdirSync(variants, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name: folder }) =>
        readdirSync(join(variants, folder))
          .filter((name) => name.startsWith('snapshot.'))
          .map((name) => {
            const kind = name.endsWith('.gz') ? 1 : name.endsWith('.snappy') ? 2 : 0;
            return Uint8Array.of(kind, ...readFileSync(join(variants, folder, name)).subarray(0, 2000));
          }),
      );
  },
  run(bytes) {
    const disk = new SimulatedDisk();
    const name = ['snapshot.1', 'snapshot.1.gz', 'snapshot.1.snappy'][(bytes[0] ?? 0) % 3];
    disk.put('data', name, bytes.slice(1));
    notOurs(() => readSnapshot(disk, name, FIELD_BYTES_MAX, new RecordingSink()));
  },
};

const streams: Target = {
  name: 'snapshot streams',
  seeds: () => {
    const known = JSON.parse(goldenText('snapshot-streams.json')) as Record<string, unknown>;
    const hex = Object.values(known).filter((value) => typeof value === 'string');
    return hex.map((text) => Uint8Array.of(9, ...Buffer.from(text, 'hex')));
  },
  run(bytes) {
    const read = (pieceBytes: number): unknown => {
      const sink = new RecordingSink();
      const reader = new SnapshotStreamReader(sink, FIELD_BYTES_MAX);
      const end = expecting([JuteError], () => {
        for (let at = 1; at < bytes.length && !reader.done; at += pieceBytes) {
          reader.take(bytes.slice(at, at + pieceBytes), 0);
        }
      });
      const isWhole = !(end instanceof Error) && reader.done; // in pieces it may be refused later
      return isWhole ? [sink.sessions, sink.acls, [...sink.nodes.keys()]] : null;
    };
    expectSame(read(1 + ((bytes[0] ?? 0) % 50)), read(bytes.length), 'a stream in pieces is another');
  },
};

const epochs: Target = {
  name: 'epoch files',
  seeds: texts('0', '12\n', ' 7 ', '2147483647'),
  run: (bytes) => notOurs(() => parseEpoch('currentEpoch', Buffer.from(bytes).toString())),
};

const configurations: Target = {
  name: 'dynamic configurations',
  seeds: () => [
    ...texts(configurationOf([1, 2, 3], [4], 0x1_0000_0005).text, goldenText('configurations.txt').slice(0, 3000))(),
    ...texts('server.1=[::1]:2888:3888|h:1:2:observer;0.0.0.0:2181\ngroup.1=1:2\nweight.1=3\nversion=ab')(),
    ...texts('server.1=[\u0000x]:2888:3888')(),
  ],
  run(bytes) {
    expecting([ConfigurationFault], () => {
      const parsed = Configuration.parse(Buffer.from(bytes).toString());
      const again = Configuration.parse(parsed.text);
      expectSame(again.text, parsed.text, 'a configuration changes when it is written');
      expectSame(again.voters, parsed.voters, 'others may vote');
    });
  },
};

const zooCfg: Target = {
  name: 'zoo.cfg',
  seeds: texts(
    'tickTime=2000\ndataDir=/tmp/nowhere\nclientPort=2181\n',
    'initLimit=10\nsyncLimit=5\nserver.1=a:2888:3888;2181\nserver.2=b:2888:3888:observer;2181\nautopurge.purgeInterval=1',
    'secureClientPort=2281\nssl.keyStore.location=/tmp/x.jks\n4lw.commands.whitelist=*\nadmin.serverPort=0',
    'reconfigEnabled=true\nstandaloneEnabled=false\nmaxClientCnxns=60\n# comment\nmetricsProvider.httpPort=7000',
    'authProvider.sasl=x\nquorum.auth.enableSasl=true\nDigestAuthenticationProvider.superDigest=super:abc=\ndigest.enabled=no',
  ),
  run(bytes) {
    const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
    try {
      const file = join(folder, 'zoo.cfg');
      writeFileSync(file, bytes);
      expecting([ConfigError], () => loadConfig({ file }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

const smallTexts: Target = {
  name: 'small texts',
  seeds: texts(
    'Server { a.b.Digest required\n user_x="y"; };',
    'RULE:[2:$1@$0](.*@EXAMPLE.COM)s/@.*//g/L\nDEFAULT',
    '10.0.0.0/8',
    '::ffff:1.2.3.4/120',
    'CN=a\\, b,OU=x+O="y",C=de',
    'a = b\\\n c\\u0041\n!x\n# y\nk: v',
  ),
  run(bytes) {
    const text = Buffer.from(bytes).toString();
    expecting([JaasError], () => parseJaas(text, 'jaas.conf'));
    expecting([NameRuleError], () => parseNameRules(text));
    expecting([NameRuleError], () => {
      const rules = parseNameRules('RULE:[2:$1@$0](.*@EXAMPLE.COM)s/@.*//g\nDEFAULT');
      saslName(text, { rules, defaultRealm: 'EXAMPLE.COM', removesHost: false, removesRealm: false } as never);
    });
    parseAddress(text);
    parseRange(text);
    isDistinguishedName(text);
    parseJavaProperties(text);
  },
};

const stores = join(import.meta.dirname, '../host/tls-stores');

/** The first byte says what it is taken for. */
const keyStores: Target = {
  name: 'key stores',
  seeds: () =>
    readdirSync(stores)
      .filter((name) => /\.(?:jks|p12|pem)$/.test(name))
      .map((name) => {
        const kind = name.endsWith('.jks') ? 0 : name.endsWith('.p12') ? 1 : 2;
        return Uint8Array.of(kind, ...readFileSync(join(stores, name)));
      }),
  run(bytes) {
    const body = Buffer.from(bytes.subarray(1));
    const readers = [
      () => readJks(body, 'changeit', 'keyStore'),
      () => readPkcs12(body, 'changeit'),
      () => readPem(body.toString(), 'changeit', 'keyStore'),
    ];
    expecting([StoreError, DerError], readers[(bytes[0] ?? 0) % 3]);
  },
};

export const fileTargets: readonly Target[] = [
  logs,
  snapshots,
  streams,
  epochs,
  configurations,
  zooCfg,
  smallTexts,
  keyStores,
];
