/** What stands between `treekeeper shell` and the command: where to connect, as whom, and how to answer. */
import { existsSync } from 'node:fs';
import type { AuthEntry, ConnectOptions, TlsSettings } from '@treekeeper/client';
import { UsageError } from '../../terminal.ts';
import { parseFlags } from './arguments.ts';
import { readClientConfiguration } from './client-configuration.ts';
import { dashed, type Flag, type Flags } from './command.ts';
import { OUTPUT_FORMATS, type OutputFormat } from './output.ts';

export interface Launch {
  /** `host:port,host:port/root`. */
  readonly servers: string;
  readonly connect: ConnectOptions;
  readonly output: OutputFormat;
  /** Commands from standard input go on after one that failed. */
  readonly keepsGoing: boolean;
  readonly help: boolean;
  /** The command to run; none: ask for commands. */
  readonly words: readonly string[];
}

export const DEFAULT_SERVERS = '127.0.0.1:2181';
/** For servers that are there: they may be electing a leader. */
const CONNECT_MS_MAX = 15_000;
/** zkCli's flag without a value. */
const WAIT_AS_ZKCLI = 'waitforconnection';

export const LAUNCH_FLAGS: Flags = {
  s: { value: 'host:port', meaning: 'Servers, with commas between; /path behind them becomes the root' },
  output: { value: 'format', choices: OUTPUT_FORMATS, meaning: 'text (default), json or table' },
  auth: { value: 'scheme:credentials', multiple: true, meaning: 'Who you are: digest:user:password' },
  sasl: { value: 'user:password', meaning: 'Log in by SASL DIGEST-MD5; gssapi alone uses Kerberos' },
  tls: { meaning: 'Connect by TLS' },
  ca: { value: 'file', meaning: 'Authorities to trust, PEM; those of Node.js otherwise' },
  cert: { value: 'file', meaning: 'Your certificate, PEM' },
  key: { value: 'file', meaning: 'Its key, PEM' },
  pfx: { value: 'file', meaning: 'Certificate and key as PKCS #12' },
  'any-hostname': { meaning: "Accept certificates made out to other hosts' names" },
  timeout: { value: 'ms', meaning: 'Session timeout; 30000' },
  wait: { value: 'ms', meaning: 'Wait so long for a server that cannot be reached; else that is told at once' },
  r: { meaning: 'Take a read-only server while there is no other' },
  'keep-going': { meaning: 'Go on after a failed command of standard input' },
  'client-configuration': { value: 'file', meaning: 'A zkCli client configuration, for its TLS settings' },
  help: { meaning: 'This text' },
};

/** Other names: zkCli's, and those that people try. */
const ALIASES: Readonly<Record<string, string>> = {
  server: 's',
  readonly: 'r',
  o: 'output',
  h: 'help',
  k: 'keep-going',
};

/** @throws UsageError */
export function parseLaunch(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Launch {
  const known: Record<string, Flag> = { ...LAUNCH_FLAGS, [WAIT_AS_ZKCLI]: { meaning: '' } };
  for (const [alias, name] of Object.entries(ALIASES)) {
    known[alias] = LAUNCH_FLAGS[name];
  }
  const { flags, words, behindDashes } = parseFlags(args, known, true);
  const names = [...flags.keys()].map((name) => [ALIASES[name] ?? name, flags.get(name) as readonly string[]] as const);
  const given = new Map(names);
  const one = (name: string): string | undefined => given.get(name)?.[0];
  const output = one('output') ?? 'text';
  if (!isOutputFormat(output)) {
    throw new UsageError(`--output ${output}: there are ${OUTPUT_FORMATS.join(', ')}`);
  }
  const auth = [...(env['TREEKEEPER_AUTH']?.split('\n') ?? []), ...(given.get('auth') ?? [])].map(parseAuth);
  return {
    servers: one('s') ?? env['TREEKEEPER_SERVERS'] ?? DEFAULT_SERVERS,
    connect: {
      auth,
      ...saslOptions(one('sasl')),
      ...tlsOptions(one, given.has('tls'), given.has('any-hostname'), env),
      ...(given.has('r') && { readOnly: true }),
      sessionTimeoutMs: milliseconds('timeout', one('timeout')) ?? 30_000,
      connectTimeoutMs: milliseconds('wait', one('wait')) ?? CONNECT_MS_MAX,
      failFast: !given.has('wait') && !given.has(WAIT_AS_ZKCLI),
    },
    output,
    keepsGoing: given.has('keep-going'),
    help: given.has('help'),
    words: behindDashes ?? words,
  };
}

function isOutputFormat(text: string): text is OutputFormat {
  return (OUTPUT_FORMATS as readonly string[]).includes(text);
}

function milliseconds(name: string, text: string | undefined): number | undefined {
  if (text !== undefined && !/^[1-9]\d{0,8}$/.test(text)) {
    throw new UsageError(`${dashed(name)} ${text}: a number of milliseconds is needed`);
  }
  return text === undefined ? undefined : Number(text);
}

/** `digest:ann:secret` */
function parseAuth(text: string): AuthEntry {
  const [, scheme, credentials] = /^([^:]+):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) {
    throw new UsageError('--auth needs a scheme and credentials: --auth digest:user:password');
  }
  return { scheme, credentials };
}

function saslOptions(text: string | undefined): Pick<ConnectOptions, 'sasl'> {
  if (text === undefined) {
    return {};
  }
  if (text === 'gssapi') {
    return { sasl: { mechanism: 'GSSAPI' } };
  }
  const [, username, password] = /^([^:]+):(.*)$/s.exec(text) ?? [];
  if (username === undefined) {
    throw new UsageError('--sasl needs a user and a password: --sasl user:password; or gssapi');
  }
  return { sasl: { mechanism: 'DIGEST-MD5', username, password } };
}

function tlsOptions(
  one: (name: string) => string | undefined,
  wanted: boolean,
  anyHostname: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Pick<ConnectOptions, 'tls'> {
  const file = one('client-configuration');
  const passphrase = env['TREEKEEPER_TLS_PASSPHRASE'];
  const settings: TlsSettings = {
    ...(file !== undefined && readClientConfiguration(file)),
    ...without({ caFile: one('ca'), certFile: one('cert'), keyFile: one('key'), pfxFile: one('pfx'), passphrase }),
    ...(anyHostname && { checkHostname: false }),
  };
  for (const name of ['ca', 'cert', 'key', 'pfx']) {
    const given = one(name);
    if (given !== undefined && !existsSync(given)) {
      throw new UsageError(`--${name} ${given}: there is no such file`);
    }
  }
  if ((settings.certFile === undefined) !== (settings.keyFile === undefined)) {
    throw new UsageError('--cert and --key go together: a certificate, and the key that it was made for');
  }
  const named = Object.keys(settings).some((name) => name !== 'passphrase');
  return wanted || named ? { tls: named ? settings : true } : {};
}

function without(settings: Readonly<Record<string, string | undefined>>): TlsSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
