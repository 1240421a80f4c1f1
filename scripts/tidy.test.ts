/** Style that neither the compiler nor Biome can check. Each test names the files that break a rule; none may. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const FILE_LINES_MAX = 500;
const LINE_CHARACTERS_MAX = 120;

const root = fileURLToPath(new URL('..', import.meta.url));
/** Folders that git ignores, and what other programs wrote. */
const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n');
const skipped = new Set([
  '.git',
  'golden',
  ...ignored.filter((line) => line.endsWith('/')).map((line) => basename(line)),
]);

interface SourceFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return skipped.has(entry.name) ? [] : filesBelow(path);
    }
    return [path];
  });
}

const files: SourceFile[] = filesBelow(root)
  .filter((path) => /\.(ts|js|md|json|jsonc|sh|py)$/.test(path) && !path.endsWith('package-lock.json'))
  .map((path) => {
    const text = readFileSync(path, 'utf8');
    return { path: relative(root, path).replaceAll('\\', '/'), text, lines: text.split('\n') };
  });
const code = files.filter((file) => /\.(ts|js)$/.test(file.path));
const sources = code.filter((file) => /^packages\/[^/]+\/src\//.test(file.path));
const pages = files.filter((file) => file.path.endsWith('.md'));
const packages = readdirSync(join(root, 'packages'));

/** `path:line` of every line that matches. */
function linesWith(list: readonly SourceFile[], pattern: RegExp): string[] {
  return list.flatMap((file) =>
    file.lines.flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

test('there is something to look at', () => {
  expect(sources.length).toBeGreaterThan(20);
  expect(pages.length).toBeGreaterThan(3);
});

describe('size', () => {
  test(`files have at most ${FILE_LINES_MAX} lines`, () => {
    const long = code.filter((file) => file.lines.length - 1 > FILE_LINES_MAX);
    expect(long.map((file) => `${file.path}: ${file.lines.length - 1}`)).toEqual([]);
  });

  test(`lines have at most ${LINE_CHARACTERS_MAX} characters, not counting a text that cannot be cut`, () => {
    const withoutText = code.map((file) => ({
      ...file,
      lines: file.lines.map((line) => line.replace(/(['"`]).*\1/, '').replace(/`.*$/, '')),
    }));
    expect(linesWith(withoutText, new RegExp(`^.{${LINE_CHARACTERS_MAX + 1}}`, 'u'))).toEqual([]);
  });
});

describe('nothing is left lying about', () => {
  test('no notes to oneself: do it, or write an issue', () => {
    // Written in two halves, so that this file does not find itself.
    expect(linesWith(code, new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`))).toEqual([]);
  });

  test('libraries do not print', () => {
    const libraries = sources.filter((file) => !/^packages\/(cli|interop|simulator)\//.test(file.path));
    expect(linesWith(libraries, /\bconsole\.log\b/)).toEqual([]);
  });

  test('no test is skipped or runs alone', () => {
    const tests = code.filter((file) => file.path.endsWith('.test.ts'));
    expect(linesWith(tests, /\b(?:test|it|describe)(?:\.each)?\.(?:only|skip|todo)\b/)).toEqual([]);
  });

  test('no path of one machine', () => {
    expect(linesWith(files, /(^|[^\w.~/-])\/(home|Users|root|work)\/\w/)).toEqual([]);
  });
});

describe('the house', () => {
  test('exports are listed by name', () => {
    expect(linesWith(sources, /^\s*export \*/)).toEqual([]);
  });

  /**
   * Walks transactions of every type to find the digest behind them; the records say nothing of their own length.
   */
  const walksTransactions = 'packages/server/src/storage/txn-body.ts';

  test('opcodes are told apart in operations/ only: an operation is one file and one row', () => {
    const others = sources.filter(
      ({ path }) => path.startsWith('packages/server/src/') && !path.startsWith('packages/server/src/operations/'),
    );
    expect(
      linesWith(
        others.filter(({ path }) => path !== walksTransactions),
        /\bcase OpCode\./,
      ),
    ).toEqual([]);
  });

  test('every folder of the server has its import boundary in biome.jsonc', () => {
    const boundaries = readFileSync(join(root, 'biome.jsonc'), 'utf8');
    const folders = readdirSync(join(root, 'packages/server/src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders.filter((folder) => !boundaries.includes(`["packages/server/src/${folder}/**"]`))).toEqual([]);
  });

  test('every package says in its README.md what it is', () => {
    expect(packages.filter((name) => !existsSync(join(root, 'packages', name, 'README.md')))).toEqual([]);
  });

  test('packages move in lockstep', () => {
    const versions = packages.map((name) => {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
      return [
        manifest.version,
        ...Object.entries(manifest.dependencies ?? {})
          .filter(ours)
          .map(([, version]) => version),
      ];
    });
    expect([...new Set(versions.flat())]).toHaveLength(1);

    function ours([name]: [string, unknown]): boolean {
      return name.startsWith('@treekeeper/');
    }
  });
});

describe('pages', () => {
  test('their links lead somewhere', () => {
    const broken = pages.flatMap((page) =>
      [...page.text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map((match) => match[1])
        .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(page, target))
        .map((target) => `${page.path}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  function leadsSomewhere(page: SourceFile, target: string): boolean {
    const [path, anchor] = target.split('#');
    const file = path === '' ? join(root, page.path) : join(root, dirname(page.path), path);
    if (!existsSync(file)) {
      return false;
    }
    return anchor === undefined || !file.endsWith('.md') || anchorsOf(readFileSync(file, 'utf8')).includes(anchor);
  }

  /** As GitHub makes them of headings. */
  function anchorsOf(markdown: string): string[] {
    return [...markdown.matchAll(/^#+ (.+)$/gm)].map((match) =>
      match[1]
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    );
  }
});
