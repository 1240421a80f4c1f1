import {
  ConfigError,
  describeOrigin,
  type EffectiveSetting,
  EXIT_CODES,
  formatNotice,
  type LoadedConfig,
  loadConfig,
  type Notice,
} from '@treekeeper/server/config';
import { parseConfigArguments } from '../arguments.ts';
import { unresolvableHosts } from '../host-names.ts';
import { showConfigError, showWarnings } from '../notices.ts';
import { type Terminal, UsageError } from '../terminal.ts';

const FAULTS_EXIT_CODE = 1;

/**
 * Faults are what a server would end with: what the configuration says, and what is in the files that it names.
 *
 * `treekeeper config [zoo.cfg] [-Dkey=value ...] [--all] [--output table|json]`
 */
export async function config(args: readonly string[], terminal: Terminal): Promise<number> {
  const own = { all: { type: 'boolean' }, output: { type: 'string', short: 'o' } } as const;
  const { file, defines, help, options } = parseConfigArguments(args, own);
  if (help) {
    terminal.out(HELP);
    return EXIT_CODES.ok.code;
  }
  const { all = false, output = 'table' } = options;
  if (output !== 'table' && output !== 'json') {
    throw new UsageError(`--output ${output}: there are table and json`);
  }
  try {
    const loaded = loadConfig({ file, defines, env: terminal.env });
    const { preflight } = await import('@treekeeper/server/preflight');
    const found = await preflight(loaded);
    const warnings = [...loaded.warnings, ...found.warnings, ...(await unresolvableHosts(loaded.config))];
    if (found.faults.length > 0) {
      throw new ConfigError(found.faults, warnings);
    }
    const settings = loaded.settings.filter(({ origin }) => all || origin.kind !== 'default');
    if (output === 'json') {
      terminal.out(json({ ...loaded, settings, warnings, faults: [] }));
    } else {
      showTable(terminal, { ...loaded, settings, warnings });
    }
    return EXIT_CODES.ok.code;
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    const { faults, warnings } = error;
    if (output === 'json') {
      terminal.out(json({ settings: [], faults, warnings, notes: [] }));
    } else {
      showConfigError(terminal, error);
    }
    return FAULTS_EXIT_CODE;
  }
}

type Shown = Pick<LoadedConfig, 'settings' | 'warnings' | 'notes'>;

function showTable(terminal: Terminal, { settings, warnings, notes }: Shown): void {
  const rows = settings.map(({ key, value, origin }) => [key, value ?? '(unset)', describeOrigin(origin)]);
  const table = [['KEY', 'VALUE', 'FROM'], ...rows];
  const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column].length)) + 2);
  for (const [key, value, from] of table) {
    terminal.out(`${key.padEnd(widths[0])}${value.padEnd(widths[1])}${from}\n`);
  }
  for (const note of notes) {
    terminal.out(`note: ${formatNotice(note)}\n`);
  }
  showWarnings(terminal, warnings);
}

function json({ settings, faults, warnings, notes }: Shown & { readonly faults: readonly Notice[] }): string {
  const setting = ({ key, value, origin, row }: EffectiveSetting) => ({
    key,
    value,
    from: describeOrigin(origin),
    isDefault: origin.kind === 'default',
    default: row.default,
  });
  const notice = ({ origin, key, message }: Notice) => ({ from: describeOrigin(origin), key, message });
  const content = {
    settings: settings.map(setting),
    faults: faults.map(notice),
    warnings: warnings.map(notice),
    notes: notes.map(notice),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const HELP = `Check a configuration and show what is in effect, without starting anything

Usage: treekeeper config [zoo.cfg] [-Dkey=value ...] [options]

Arguments:
  zoo.cfg                The file; without one the embedded default is shown

Options:
  -D<key>=<value>        A setting, as for treekeeper server
  --all                  Show defaults too, not only what somebody has set
  -o, --output <format>  table (default) or json
  -h, --help             This text

Exit codes:
   0  A server would start with it, if its ports are free and its data whole; there may be warnings
   1  There are faults: in the file, in key stores and JAAS files, directories, names of addresses. Each is named, with
      its file and line where it has one
   2  Wrong arguments
`;
