/** Who belongs to the ensemble: the server, group and weight lines, `myid`, and the files of a reconfiguration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Configuration, ConfigurationFault } from '../zab/configuration.ts';
import { type Member, MemberFault, parseMember } from '../zab/members.ts';
import type { Notice, Origin } from './config-error.ts';
import type { Values } from './effective-values.ts';
import { reasonOf } from './reason.ts';
import { resolveSettings, type Setting } from './settings.ts';
import { parseZooCfg } from './zoo-cfg.ts';

/** What the lines say, before anybody knows whether it can be. */
export interface Membership {
  readonly members: readonly Member[];
  readonly groups: ReadonlyMap<number, readonly number[]>;
  /** The lines, wherever they stand. */
  readonly settings: readonly Setting[];
  /** From `myid`; null when there is no such file, or something else is in it. */
  readonly serverId: number | null;
  /** Where the `myid` file is, or belongs; null: dataDir is not known. */
  readonly serverIdFile: string | null;
  /** There are server lines, and they do not stand for a standalone server. */
  readonly isEnsemble: boolean;
  /** Null for a standalone server, and when the lines do not make an ensemble, which is a fault. */
  readonly configuration: Configuration | null;
}

interface Findings {
  readonly faults: Notice[];
  readonly warnings: Notice[];
}

/** The rows whose keys make up a configuration. */
export const MEMBERSHIP: ReadonlySet<string> = new Set(['server.N', 'group.N', 'weight.N']);

export function readMembership(values: Values, findings: Findings): Membership {
  const { settings, version } = readLines(values, findings);
  const lines = new Lines(values, findings.faults);
  for (const setting of settings) {
    lines.add(setting);
  }
  const { members, groups, weights } = lines;
  const voters = members.filter(({ role }) => role === 'participant').length;
  const isEnsemble = members.length > 0 && (!values.boolean('standaloneEnabled') || voters > 1);
  const { serverId, serverIdFile } = readServerId(values.text('dataDir'), findings.faults);
  let configuration: Configuration | null = null;
  if (isEnsemble && lines.areRight) {
    try {
      configuration = new Configuration({ members, groups, weights, version });
    } catch (error) {
      findings.faults.push(faultOf(error, settings));
    }
  }
  return { members, groups, settings, serverId, serverIdFile, isEnsemble, configuration };
}

function faultOf(error: unknown, settings: readonly Setting[]): Notice {
  if (!(error instanceof ConfigurationFault)) {
    throw error;
  }
  const blamed = settings.find(({ row }) => row.key !== 'server.N') ?? settings[0];
  return { origin: blamed.origin, key: blamed.name, message: `the server lines make no ensemble: ${error.message}` };
}

/** The lines of zoo.cfg, or of the file that dynamicConfigFile names. */
function readLines(values: Values, findings: Findings): { settings: Setting[]; version: number } {
  const dynamic = values.setting('dynamicConfigFile');
  const inFile = [...values.all()].filter(({ row }) => MEMBERSHIP.has(row.key));
  if (dynamic === undefined) {
    return { settings: inFile, version: (values.number('version') as number | null) ?? 0 };
  }
  for (const { name, origin } of inFile) {
    const message = `${name} must stand in ${dynamic.text}, the dynamicConfigFile, and not here`;
    findings.faults.push({ origin, key: name, message });
  }
  return { settings: readDynamicFile(dynamic, findings), version: versionInName(dynamic.text) };
}

/** What follows the last dot, in hexadecimal digits; 0 without such an ending, as in ZooKeeper. */
export function versionInName(file: string): number {
  const [, digits] = /\.([0-9a-fA-F]{1,14})$/.exec(file) ?? [];
  const version = digits === undefined ? 0 : Number.parseInt(digits, 16);
  return Number.isSafeInteger(version) ? version : 0;
}

function readDynamicFile(dynamic: Setting, { faults, warnings }: Findings): Setting[] {
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
    const what = 'does not belong in a dynamic configuration file, only server, group and weight lines do';
    const hint = key === 'version' ? ": the version is the end of the file's name" : '';
    faults.push({ origin, key, message: `${key} ${what}${hint}` });
  }
  return [...settings.byName.values()].filter(({ row }) => MEMBERSHIP.has(row.key));
}

/** Collects what the lines say, each fault with its place. */
class Lines {
  readonly members: Member[] = [];
  readonly groups = new Map<number, readonly number[]>();
  readonly weights = new Map<number, number>();
  areRight = true;
  readonly #values: Values;
  readonly #faults: Notice[];

  constructor(values: Values, faults: Notice[]) {
    this.#values = values;
    this.#faults = faults;
  }

  add(setting: Setting): void {
    if (setting.row.key === 'server.N') {
      this.#server(setting);
    } else if (setting.row.key === 'group.N') {
      this.#group(setting);
    } else {
      this.#weight(setting);
    }
  }

  #fault({ name, origin }: Setting, message: string): void {
    this.areRight = false;
    this.#faults.push({ origin, key: name, message });
  }

  #server(setting: Setting): void {
    const { name, text } = setting;
    const id = Number(name.slice('server.'.length));
    try {
      const member = parseMember(id, text);
      if (id < 1 || id > 255) {
        this.#fault(setting, `${name}: a server has a number from 1 to 255`);
      }
      if (this.members.some((other) => other.id === id)) {
        this.#fault(setting, `${name}: there is a line for server ${id} already`);
      }
      if (member.addresses.length > 1 && !this.#values.boolean('multiAddress.enabled')) {
        this.#fault(setting, `${name} has several addresses, which needs multiAddress.enabled=true`);
      }
      this.members.push(member);
    } catch (error) {
      if (!(error instanceof MemberFault)) {
        throw error;
      }
      this.#fault(setting, `${name}=${text} ${error.message}`);
    }
  }

  #group(setting: Setting): void {
    const { name, text } = setting;
    const ids = text.split(':').map(serverNumber);
    const group = serverNumber(name.slice('group.'.length));
    if (group === null || ids.includes(null)) {
      this.#fault(
        setting,
        `${name}=${text}: expected numbers of servers separated by colons, for example group.1=1:2:3`,
      );
    } else {
      this.groups.set(group, ids as number[]);
    }
  }

  #weight(setting: Setting): void {
    const id = serverNumber(setting.name.slice('weight.'.length));
    if (id === null) {
      this.#fault(setting, `${setting.name}: expected the number of a server behind the dot, for example weight.1=2`);
    } else {
      this.weights.set(id, setting.value as number);
    }
  }
}

function serverNumber(text: string): number | null {
  return /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : null;
}

/** The number in dataDir/myid; null when there is no such file. */
function readServerId(
  dataDir: string | null,
  faults: Notice[],
): { serverId: number | null; serverIdFile: string | null } {
  if (dataDir === null) {
    return { serverId: null, serverIdFile: null };
  }
  const serverIdFile = join(dataDir, 'myid');
  const origin: Origin = { kind: 'file', file: serverIdFile, line: 1 };
  let text: string;
  try {
    text = readFileSync(serverIdFile, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Whether the directory itself can be used is storage's business, with an exit code of its own.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      faults.push({ origin, key: null, message: `cannot be read: ${reasonOf(error)}` });
      return { serverId: null, serverIdFile: null };
    }
    return { serverId: null, serverIdFile };
  }
  const firstLine = text.split(/\r?\n/, 1)[0].trim();
  if (/^\d{1,3}$/.test(firstLine) && Number(firstLine) <= 255) {
    return { serverId: Number(firstLine), serverIdFile };
  }
  faults.push({ origin, key: null, message: `'${firstLine}' is not the number of a server, which is 1 to 255` });
  return { serverId: null, serverIdFile: null };
}

/** Beside the configuration file: what had been proposed when the server stopped. */
export const PROPOSED_SUFFIX = '.dynamic.next';

/**
 * The configuration that was proposed last and perhaps committed elsewhere; null when there is none newer than
 * `committed`. One that cannot be read is passed over: the ensemble knows it.
 */
export function readProposed(file: string, committed: Configuration, warnings: Notice[]): Configuration | null {
  const name = file + PROPOSED_SUFFIX;
  try {
    const proposed = Configuration.parse(readFileSync(name, 'utf8'));
    return proposed.version > committed.version ? proposed : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      const message = `cannot be read, and is passed over: ${reasonOf(error)}`;
      warnings.push({ origin: { kind: 'file', file: name, line: 0 }, key: null, message });
    }
    return null;
  }
}
