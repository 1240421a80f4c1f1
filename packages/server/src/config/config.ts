import { readFileSync } from 'node:fs';
import { checkConfig } from './checks.ts';
import { composeConfig } from './compose.ts';
import { ConfigError, type Notice, type Origin } from './config-error.ts';
import { type Assignment, environmentDefines, parseDefine } from './defines.ts';
import { Values } from './effective-values.ts';
import { KEYS, type KeyRow } from './keys/index.ts';
import { MEMBERSHIP, type Membership, readMembership, readProposed } from './membership.ts';
import { reasonOf } from './reason.ts';
import type { ServerConfig } from './server-config.ts';
import { resolveSettings, type Settings } from './settings.ts';
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
  const values = new Values(settings);
  const membership = readMembership(values, { faults, warnings });
  const notes: Notice[] = [...settings.notes, ...ineffective(settings, membership)];
  const { configuration } = membership;
  const looksForProposed = file !== null && configuration !== null && values.boolean('reconfigEnabled');
  const proposed = looksForProposed ? readProposed(file, configuration, warnings) : null;
  const config = composeConfig(values, { file, text, properties: settings.properties, membership, proposed });
  checkConfig(config, values, membership, { faults, warnings, notes });
  for (const notices of [faults, warnings, notes]) {
    notices.sort(byPlace);
  }
  if (faults.length > 0) {
    throw new ConfigError(faults, warnings);
  }
  return { config, settings: effectiveSettings(config, values, membership), warnings, notes };
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

/** What was set and changes nothing: told once, all in one place. */
function ineffective({ byName }: Settings, { isEnsemble }: Membership): Notice[] {
  const named = (effect: string) =>
    [...byName.values()]
      .filter(({ row }) => `${row.effect}.`.startsWith(`${effect}.`) && !MEMBERSHIP.has(row.key))
      .map(({ name }) => name);
  const notes: Notice[] = [];
  const note = (names: string[], why: string) => {
    if (names.length === 0) {
      return;
    }
    notes.push({ origin: { kind: 'default' }, key: null, message: `${why}: ${names.join(', ')}` });
  };
  note(named('none'), 'accepted, but there is nothing here for it to change');
  note(isEnsemble ? [] : named('ensemble'), 'accepted for ensembles; a lone server does not use it');
  note(named('client'), 'accepted for clients; the server does not use it');
  return notes;
}

/** The keys whose values come from others when they are not set, with the key that says so where there is one. */
function derivedValues({ sessions, storage, limits, listeners, metrics }: ServerConfig, own: string | null) {
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
    if (value !== null && address !== null && own !== null) {
      values.set(key, { text: String(value), from: own });
      values.set(`${key}Address`, { text: address, from: own });
    }
  }
  return values;
}

function effectiveSettings(config: ServerConfig, values: Values, membership: Membership): EffectiveSetting[] {
  const { members, serverId } = membership;
  const own = members.length === 1 ? members[0].id : serverId;
  const derived = derivedValues(config, members.length > 0 && own !== null ? `server.${own}` : null);
  const lines = new Map(membership.settings.map((setting) => [setting.name, setting]));
  const settings: EffectiveSetting[] = [];
  for (const row of KEYS) {
    if (row.kind === 'file') {
      continue;
    }
    const candidates = MEMBERSHIP.has(row.key) ? lines.values() : values.all();
    const isPattern = row.key.endsWith('.N');
    const set = isPattern ? [...candidates].filter((setting) => setting.row === row) : [values.setting(row.key)];
    for (const setting of set) {
      const otherwise = derived.get(row.key);
      const text = setting?.text ?? otherwise?.text ?? row.default;
      const from = otherwise?.from ?? row.key;
      settings.push({
        key: setting?.name ?? row.key,
        value: row.secret && setting !== undefined ? '(not shown)' : text,
        origin: setting?.origin ?? lines.get(from)?.origin ?? values.origin(from),
        row,
      });
    }
  }
  return settings;
}
