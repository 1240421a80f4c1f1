/** The pages say what is so: their settings, messages, commands and metrics are those of the code. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { WordWhitelist, wordOf } from '../../server/src/admin/four-letter.ts';
import { ensembleGauges } from '../../server/src/admin/metrics/ensemble-gauges.ts';
import { gauges } from '../../server/src/admin/metrics/gauges.ts';
import { loadConfig } from '../../server/src/config/config.ts';
import { formatNotice } from '../../server/src/config/config-error.ts';
import { EXIT_CODES } from '../../server/src/config/exit-codes.ts';
import { findKey, KEYS } from '../../server/src/config/keys/index.ts';
import { metricTable } from '../../server/src/metrics/table.ts';
import { runCli } from '../src/cli.ts';
import { COMMANDS } from '../src/commands/shell/table.ts';
import { type Block, blocksIn, page, pages, root } from './support/pages.ts';

const README_LINES_MAX = 120;
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-docs-'));
afterAll(() => rmSync(directory, { recursive: true }));

test(`README has at most ${README_LINES_MAX} lines`, () => {
  expect(page('README.md').text.split('\n').length - 1).toBeLessThanOrEqual(README_LINES_MAX);
});

test('every decision is in the index', () => {
  const folder = join(root, 'docs/decisions');
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  const missing = readdirSync(folder).filter((name) => name !== 'README.md' && !index.includes(`(${name})`));
  expect(missing).toEqual([]);
});

test('every file of ours that a page names is there', () => {
  const foreign = /zk[\w-]+\.sh$|^\.\/x\.ts$|^vitest\.config\.ts$/;
  const named = pages.flatMap(({ path, inlineCode }) =>
    inlineCode.filter((code) => /^[\w./-]+\.(ts|js|py|sh)$/.test(code)).map((file) => ({ path, file })),
  );
  expect(named.length).toBeGreaterThan(40);
  const files = ['packages', 'scripts', 'bench', 'examples'].flatMap((folder) => filesBelow(folder));
  // `protocol/frame.ts` stands for packages/protocol/src/frame.ts.
  const ends = [...files, ...files.map((file) => file.replace('/src/', '/'))];
  const isThere = (file: string): boolean => foreign.test(file) || ends.some((end) => end.endsWith(`/${file}`));
  expect(named.filter(({ file }) => !isThere(file))).toEqual([]);
});

/** From the repository's root, with a slash before. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      return entry.name === 'dist' || entry.name === 'node_modules' ? [] : filesBelow(path);
    }
    return [`/${path}`];
  });
}

const SHELL_COMMANDS = new Set(COMMANDS.map(({ name }) => name));

describe('commands', () => {
  test('of npm are scripts of package.json', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start))\b/g)].map((match) => ({
        path,
        name: match[1] ?? match[2],
      })),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(({ name }) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  test('of treekeeper are commands, with options that they have', async () => {
    const unknown: string[] = [];
    const lines = [...blocksIn('sh'), ...blocksIn('ini')].flatMap(({ text }) => text.split('\n'));
    const calls = lines.flatMap(
      (line) => /(?:npx treekeeper|bin\/treekeeper\.js) ([^#]*)/.exec(line)?.[1].trim() ?? [],
    );
    expect(calls.length).toBeGreaterThan(5);
    for (const call of calls) {
      const [name, ...args] = call.split(/\s+/);
      const shellCommand = name === 'shell' ? args.find((arg) => SHELL_COMMANDS.has(arg)) : undefined;
      const commandHelp = shellCommand === undefined ? '' : await output(['shell', 'help', shellCommand]);
      const help = (await output([name, '--help'])) + commandHelp;
      const options = args.filter((arg) => arg.startsWith('-')).map((arg) => (arg.startsWith('-D') ? '-D' : arg));
      unknown.push(...[`treekeeper ${name}`, ...options].filter((part) => !help.includes(part)));
    }
    expect(unknown).toEqual([]);
  });

  async function output(args: readonly string[]): Promise<string> {
    let text = '';
    const out = (part: string): void => {
      text += part;
    };
    await runCli(args, { out, err: out, colour: false, env: {} });
    return text;
  }
});

describe('settings', () => {
  test('every zoo.cfg in the pages loads without a fault or a warning', () => {
    const blocks = blocksIn('properties');
    expect(blocks.length).toBeGreaterThan(5);
    expect(blocks.flatMap(complaints)).toEqual([]);
  });

  /** The files that it names are made up below our directory. */
  function complaints({ page: path, text }: Block): string[] {
    const here = text.replaceAll(/=\/(?=etc|var)/g, `=${directory}/`);
    for (const [, file] of here.matchAll(/=(\/\S+\/\S+\.\w+|\/\S+-password)$/gm)) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, 'secret\n');
    }
    for (const [, dataDir] of text.includes('\nserver.1=') ? here.matchAll(/^dataDir=(.*)$/gm) : []) {
      mkdirSync(dataDir, { recursive: true });
      writeFileSync(join(dataDir, 'myid'), /^# on server (\d+)$/m.exec(text)?.[1] ?? '1');
    }
    const file = join(directory, 'zoo.cfg');
    writeFileSync(file, here);
    try {
      return loadConfig({ file }).warnings.map((notice) => `${path}: ${formatNotice(notice)}`);
    } catch (error) {
      return [`${path}: ${String(error)}`];
    }
  }

  const pagesForOperators = pages.filter(({ path }) => /^(README|docs\/(getting|operating))/.test(path));
  /** Names in camel case that are not ours. */
  const foreign = new Set(['getAcl', 'acceptedEpoch', 'currentEpoch', 'ProtectSystem']);
  const families = new Set(KEYS.filter(({ key }) => key.includes('.')).map(({ key }) => key.split('.')[0]));

  test('every key that a page names is one', () => {
    const keys = pagesForOperators.flatMap(({ path, inlineCode }) =>
      inlineCode.flatMap((code) => (keyNamed(code) === null ? [] : [{ path, key: keyNamed(code) as string }])),
    );
    expect(keys.length).toBeGreaterThan(50);
    expect(keys.filter(({ key }) => findKey(key) === undefined)).toEqual([]);
  });

  /** What `code` calls a key: `name=value`, a name in camel case, or a dotted one of a family that there is. */
  function keyNamed(code: string): string | null {
    const match = /^(?:-D)?([a-zA-Z][\w.]*)(?:=\S*)?$/.exec(code);
    if (match === null || foreign.has(match[1]) || /^(log|snapshot)\.[0-9a-f]+$|\.pem$/.test(code)) {
      return null;
    }
    const [, name] = match;
    const isDotted = name.includes('.') && families.has(name.split('.')[0]);
    return code.includes('=') || /^[a-z]+[A-Z]\w*$/.test(name) || isDotted ? name : null;
  }
});

describe('the systemd unit', () => {
  const unit = page('docs/operating/running.md').blocks.find(({ language }) => language === 'ini')?.text ?? '';
  const named = (key: string): string[] => {
    const lines = [...unit.matchAll(new RegExp(`^#? ?${key}=(.*)$`, 'gm'))];
    return lines.flatMap(([, value]) => value.split(' '));
  };
  const writable = [
    ...named('StateDirectory').map((name) => `/var/lib/${name}`),
    ...named('LogsDirectory').map((name) => `/var/log/${name}`),
    ...named('ReadWritePaths').map((name) => name.replace(/^-/, '')),
  ];

  test('lets the server write where the pages have it write', () => {
    expect(unit).toContain('\nProtectSystem=strict\n');
    const pattern = /\b(dataDir|dataLogDir|log\.dir)=(\/[\w./-]*\w)/g;
    const directories = pages
      .filter(({ path }) => path.startsWith('docs/operating'))
      .flatMap(({ path, text }) => [...text.matchAll(pattern)].map(([, key, value]) => ({ path, key, value })));
    const ownMachine = directories.filter(({ value }) => !value.startsWith('/tmp/'));
    expect(new Set(ownMachine.map(({ key }) => key)).size).toBe(3);
    expect(ownMachine.filter(({ value }) => !writable.includes(value))).toEqual([]);
  });

  test('says how the server may write beside its zoo.cfg, as reconfigEnabled wants it', () => {
    const [, file] = /^ExecStart=.* (\/\S+)$/m.exec(unit) ?? [];
    expect(writable).toContain(dirname(file));
    expect(page('docs/operating/ensemble.md').text).toContain('`ReadWritePaths`');
  });
});

describe('what the server says', () => {
  /** Of a message, so much must stand in the source; the rest are numbers, names and paths. */
  const PART_FROM_SOURCE = 0.7;
  const FRAGMENT_CHARACTERS_MIN = 4;
  const GAP = '\0';
  const fragments = sourceFragments();

  test('every message in the pages is one of the source', () => {
    const lines = blocksIn('log').flatMap(({ page: path, text }) =>
      text
        .trimEnd()
        .split('\n')
        .filter((line) => / ?(INFO|WARN|ERROR) /.test(line))
        .map((line) => ({ path, line })),
    );
    expect(lines.length).toBeGreaterThan(25);
    expect(lines.filter(({ line }) => partFromSource(message(line)) < PART_FROM_SOURCE)).toEqual([]);
  });

  test('a message with other words is not', () => {
    const changed = 'the disk of the transaction log has room once more: writes are permitted';
    expect(partFromSource(changed)).toBeLessThan(PART_FROM_SOURCE);
  });

  /** Without time and level; GAP stands for files, numbers, and what the system says. */
  function message(line: string): string {
    return line
      .replace(/^(\d{4}-\S+Z )?(INFO|WARN|ERROR) +/, '')
      .replaceAll(/\bE[A-Z]+: [^,]+, \w+(?: '[^']+')?/g, GAP)
      .replaceAll(/\bhttp:\S+|(?<=^|[\s'])\/[\w./-]*\w/g, GAP)
      .replaceAll(/\b(?:log|snapshot)\.[0-9a-f]+\b|(?<=\b0x)[0-9a-f]+|\bv?\d+(?!x)(?:\.\d+)*/g, GAP);
  }

  /** Of the characters that are neither space nor gap. */
  function partFromSource(text: string): number {
    const covered = new Uint8Array(text.length);
    for (const fragment of fragments) {
      for (let at = text.indexOf(fragment); at >= 0; at = text.indexOf(fragment, at + 1)) {
        covered.fill(1, at, at + fragment.length);
      }
    }
    const counted = [...covered.keys()].filter((i) => text[i] !== ' ' && text[i] !== GAP);
    return counted.filter((i) => covered[i] === 1).length / counted.length;
  }

  /** The fixed parts of all string literals; those joined by + are one. */
  function sourceFragments(): Set<string> {
    const found = new Set<string>();
    for (const name of ['server', 'cli']) {
      const folder = join(root, 'packages', name, 'src');
      for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (file.endsWith('.ts')) {
          const joined = readFileSync(join(folder, file), 'utf8').replaceAll(/(['"`]) \+\n\s*(['"`])/g, '');
          const parts = joined.split(/\$\{(?:[^{}]|\{[^{}]*\})*\}|['"`]|\\n|\n/);
          for (const part of parts.filter((candidate) => candidate.length >= FRAGMENT_CHARACTERS_MIN)) {
            found.add(part);
          }
        }
      }
    }
    return found;
  }

  test('exit codes', () => {
    const { text } = page('docs/operating/troubleshooting.md');
    const documented = [...text.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
    const codes = Object.values(EXIT_CODES).map(({ code }) => code);
    expect(documented).toEqual(codes);
  });
});

describe('monitoring', () => {
  const gaugeNames = [...gauges, ...ensembleGauges('leader')].map(({ name }) => name);
  const names = new Set([...Object.keys(metricTable), ...gaugeNames]);
  const { text, blocks, inlineCode } = page('docs/operating/monitoring.md');

  test('every metric in an alert or in the text exists', () => {
    const rules = blocks.filter(({ language }) => language === 'yaml').flatMap((block) => block.text.split('\n'));
    const expressions = rules.filter((line) => line.includes('expr:')).map((line) => line.replace(/.*expr:/, ''));
    const inRules = expressions.flatMap((line) => line.match(/\b[a-z]+(_[a-z]+)+\b|\b[a-z]+(?=\{quantile)/g) ?? []);
    const inText = inlineCode.filter((code) => /^[a-z]+(_[a-z]+)+$/.test(code));
    expect(inRules.length).toBeGreaterThan(5);
    expect(inText.length).toBeGreaterThan(5);
    expect([...inRules, ...inText].filter((name) => !names.has(name))).toEqual([]);
  });

  test('every four-letter word in the table is one, and all are there', () => {
    const rows = text.matchAll(/^\| (`\w{4}`(?:, `\w{4}`)*) \|/gm);
    const documented = [...rows].flatMap((match) => [...match[1].matchAll(/\w{4}/g)].map(([word]) => word));
    expect(documented.length).toBeGreaterThan(15);
    expect(documented.filter((word) => wordOf(Buffer.from(word).readInt32BE(0)) !== word)).toEqual([]);
    expect(documented.filter((word) => !new WordWhitelist('*', false).allows(word))).toEqual([]);
  });
});
