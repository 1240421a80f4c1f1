import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Member, MemberFault, parseMember } from '../zab/members.ts';
import { checkConfig } from './checks.ts';
import { composeConfig, Values } from './compose.ts';
import { ConfigError, type Notice, type Origin } from './config-error.ts';
import { type Assignment, environmentDefines, parseDefine } from './defines.ts';
import { KEYS, type KeyRow } from './keys/index.ts';
import type { ServerConfig } from './server-config.ts';
import { resolveSettings, type Setting, type Settings } from './settings.ts';
import { parseZooCfg, type ZooCfg } from './zoo-cfg.ts';

export interface LoadOptions {
  /** Path of the zoo.cfg; without one the embedded default counts. */
  readonly file?: string | undefined;
  /** What follows -D on the command line: `key=value`. */
  readonly defines?: readonly string[];
  /** SERVER_JVMFLAGS and JVMFLAGS are looked for in it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** One row of the effective configuration. */
export interface EffectiveSetting {
  readonly key: string;
  /** As zoo.cfg would say it; null: unset. Secrets are not shown. */
  readonly value: string | null;
  readonly origin: Origin;
  readonly row: KeyRow;
}

export interface LoadedConfig {
  readonly config: ServerConfig;
  /** Everything in effect, defaults included, in the order of the reference. */
  readonly settings: readonly EffectiveSetting[];
  /** What the operator should look at. */
  readonly warnings: readonly Notice[];
  /** What is good to know once. */
  readonly notes: readonly Notice[];
}

/**
 * Reads the configuration in the ways that ZooKeeper knows: a zoo.cfg, -D options of the command line, -D options in
 * SERVER_JVMFLAGS and JVMFLAGS, `myid` in the data directory. Which one counts is said at `resolveSettings`.
 *
 * @throws ConfigError with every fault that was found
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const { file = null, defines = [], env = {} } = options;
  const commandLine = defines.map((define) => parseDefine(define, { kind: 'command-line' }));
  const text = file === null ? '' : readText(file, { kind: 'file', file, line: 0 });
  const parsed = file === null ? EMPTY : parseZooCfg(text, file);
  const weaker = [...(file === null ? embeddedDefaults(commandLine) : []), ...environmentDefines(env), ...commandLine];
  const settings = resolveSettings([...weaker, ...parsed.settings]);

  const faults: Notice[] = [...parsed.faults, ...settings.faults];
  const warnings: Notice[] = [...parsed.warnings, ...settings.warnings];
  const notes: Notice[] = [...settings.notes, ...ineffective(settings)];

  const values = new Values(settings);
  const members = readMembers(values, faults, warnings);
  const serverId = readServerId(values.text('dataDir'), faults);
  const config = composeConfig(values, { file, text, properties: settings.properties, serverId, members });
  checkConfig(config, values, { faults, warnings, notes });
  for (const notices of [faults, warnings, notes]) {
    notices.sort(byPlace);
  }
  if (faults.length > 0) {
    throw new ConfigError(faults, warnings);
  }
  return { config, settings: effectiveSettings(config, values), warnings, notes };
}

/** As one reads the file; what is not about a line comes after it, in the order in which it was found. */
function byPlace(one: Notice, other: Notice): number {
  return lineOf(one) - lineOf(other) || 0;
}

function lineOf({ origin }: Notice): number {
  return origin.kind === 'file' && origin.line > 0 ? origin.line : Number.POSITIVE_INFINITY;
}

const EMPTY: ZooCfg = { settings: [], warnings: [], faults: [] };

/** A server to try things on, out of reach of others. */
const EMBEDDED_DEFAULTS: Readonly<Record<string, string>> = {
  tickTime: '2000',
  clientPort: '2181',
  clientPortAddress: '127.0.0.1',
  dataDir: './data',
  'admin.enableServer': 'true',
  'admin.serverAddress': '127.0.0.1',
};

/** All four-letter words are open as long as nobody else can reach the port. */
function embeddedDefaults(commandLine: readonly Assignment[]): Assignment[] {
  const origin: Origin = { kind: 'embedded' };
  const assignments = Object.entries(EMBEDDED_DEFAULTS).map(([key, value]) => ({ key, value, origin }));
  const addressGiven = commandLine.some(({ key }) => key.endsWith('clientPortAddress'));
  if (!addressGiven) {
    assignments.push({ key: '4lw.commands.whitelist', value: '*', origin });
  }
  return assignments;
}

function readText(file: string, origin: Origin): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([{ origin, key: null, message: `cannot be read: ${reasonOf(error)}` }]);
  }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    return 'there is no such file';
  }
  if (code === 'EACCES') {
    return 'permission denied';
  }
  if (code === 'EISDIR') {
    return 'it is a directory';
  }
  return error instanceof Error ? error.message : String(error);
}

/** The server lines of zoo.cfg, or of the file that dynamicConfigFile names. */
function readMembers(values: Values, faults: Notice[], warnings: Notice[]): Member[] {
  const dynamic = values.setting('dynamicConfigFile');
  const inFile = [...values.all()].filter(({ row }) => MEMBERSHIP.has(row.key));
  if (dynamic === undefined) {
    return parseMembers(inFile, values, faults);
  }
  for (const { name, origin } of inFile) {
    const message = `${name} must stand in ${dynamic.text}, the dynamicConfigFile, and not here`;
    faults.push({ origin, key: name, message });
  }
  return parseMembers(readDynamicFile(dynamic, faults, warnings), values, faults);
}

const MEMBERSHIP: ReadonlySet<string> = new Set(['server.N', 'group.N', 'weight.N']);

function readDynamicFile(dynamic: Setting, faults: Notice[], warnings: Notice[]): Setting[] {
  let text: string;
  try {
    text = readFileSync(dynamic.text, 'utf8');
  } catch (error) {
    const message = `dynamicConfigFile=${dynamic.text} cannot be read: ${reasonOf(error)}`;
    faults.push({ origin: dynamic.origin, key: 'dynamicConfigFile', message });
    return [];
  }
  const parsed = parseZooCfg(text, dynamic.text);
  const settings = resolveSettings(parsed.settings);
  faults.push(...parsed.faults, ...settings.faults);
  warnings.push(...parsed.warnings);
  const foreign = parsed.settings.filter(({ key }) => !MEMBERSHIP.has(settings.byName.get(key)?.row.key ?? ''));
  for (const { key, origin } of foreign) {
    const message = `${key} does not belong in a dynamic configuration file, only server, group and weight lines do`;
    faults.push({ origin, key, message });
  }
  return [...settings.byName.values()];
}

function parseMembers(settings: readonly Setting[], values: Values, faults: Notice[]): Member[] {
  const members: Member[] = [];
  for (const { row, name, text, origin } of settings) {
    if (row.key !== 'server.N') {
      continue;
    }
    const fault = (message: string) => faults.push({ origin, key: name, message });
    const id = Number(name.slice('server.'.length));
    try {
      const member = parseMember(id, text);
      if (id < 1 || id > 255) {
        fault(`${name}: a server has a number from 1 to 255`);
      }
      if (member.addresses.length > 1 && !values.boolean('multiAddress.enabled')) {
        fault(`${name} has several addresses, which needs multiAddress.enabled=true`);
      }
      members.push(member);
    } catch (error) {
      if (!(error instanceof MemberFault)) {
        throw error;
      }
      fault(`${name}=${text} ${error.message}`);
    }
  }
  return members;
}

/** The number in dataDir/myid; null when there is no such file. */
function readServerId(dataDir: string | null, faults: Notice[]): number | null {
  if (dataDir === null) {
    return null;
  }
  const file = join(dataDir, 'myid');
  const origin: Origin = { kind: 'file', file, line: 1 };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Whether the directory itself can be used is storage's business, with an exit code of its own.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      faults.push({ origin, key: null, message: `cannot be read: ${reasonOf(error)}` });
    }
    return null;
  }
  const firstLine = text.split(/\r?\n/, 1)[0].trim();
  if (/^\d{1,3}$/.test(firstLine) && Number(firstLine) <= 255) {
    return Number(firstLine);
  }
  faults.push({ origin, key: null, message: `'${firstLine}' is not the number of a server, which is 1 to 255` });
  return null;
}

/** What was set and changes nothing: told once, all in one place. */
function ineffective({ byName }: Settings): Notice[] {
  const named = (effect: KeyRow['effect']) =>
    [...byName.values()].filter(({ row }) => row.effect === effect && !MEMBERSHIP.has(row.key)).map(({ name }) => name);
  const notes: Notice[] = [];
  const note = (names: string[], why: string) => {
    if (names.length === 0) {
      return;
    }
    notes.push({ origin: { kind: 'default' }, key: null, message: `${why}: ${names.join(', ')}` });
  };
  note(named('none'), 'accepted, but there is nothing here for it to change');
  note(named('ensemble'), 'accepted for ensembles; a lone server does not use it');
  note(named('client'), 'accepted for clients; the server does not use it');
  return notes;
}

/** The keys whose values come from others when they are not set, with the key that says so where there is one. */
function derivedValues({ sessions, storage, limits, listeners, metrics, ensemble }: ServerConfig) {
  const values = new Map<string, { readonly text: string; readonly from?: string }>([
    ['minSessionTimeout', { text: String(sessions.minTimeoutMs) }],
    ['maxSessionTimeout', { text: String(sessions.maxTimeoutMs) }],
    ['dataLogDir', { text: storage.dataLogDir }],
    ['jute.maxbuffer.extrasize', { text: String(limits.extraBytes) }],
    ['metricsProvider.httpPort', { text: String(metrics.httpPort) }],
  ]);
  const { clientPort, clientAddress, secureClientPort, secureClientAddress } = listeners;
  for (const [key, value] of Object.entries({ clientPort, secureClientPort })) {
    const address = key === 'clientPort' ? clientAddress : secureClientAddress;
    if (value !== null && address !== null && ensemble.members.length > 0) {
      const from = `server.${ensemble.members[0].id}`;
      values.set(key, { text: String(value), from });
      values.set(`${key}Address`, { text: address, from });
    }
  }
  return values;
}

function effectiveSettings(config: ServerConfig, values: Values): EffectiveSetting[] {
  const derived = derivedValues(config);
  const settings: EffectiveSetting[] = [];
  for (const row of KEYS) {
    if (row.kind === 'file') {
      continue;
    }
    const isPattern = row.key.endsWith('.N');
    const set = isPattern ? [...values.all()].filter((setting) => setting.row === row) : [values.setting(row.key)];
    for (const setting of set) {
      const otherwise = derived.get(row.key);
      const text = setting?.text ?? otherwise?.text ?? row.default;
      settings.push({
        key: setting?.name ?? row.key,
        value: row.secret && setting !== undefined ? '(not shown)' : text,
        origin: setting?.origin ?? values.origin(otherwise?.from ?? row.key),
        row,
      });
    }
  }
  return settings;
}
