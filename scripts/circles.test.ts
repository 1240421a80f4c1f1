import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const packagesPath = join(import.meta.dirname, '..', 'packages');
/** In a simulated world, those who live in it and the world know each other. */
const MUTUAL = new Set(['simulator']);
const IMPORT = /\bfrom '(\.[^']*)'|\bimport\(?\s*'(\.[^']*)'/g;

type Graph = ReadonlyMap<string, readonly string[]>;

/** What each file of a package imports from the package itself, types included. */
function importsOf(sourcePath: string): Graph {
  const names = readdirSync(sourcePath, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const imports = (name: string): string[] => {
    const text = readFileSync(join(sourcePath, name), 'utf8');
    const paths = [...text.matchAll(IMPORT)].map((match) => join(dirname(name), match[1] ?? match[2] ?? ''));
    return paths.filter((path) => names.includes(path));
  };
  return new Map(names.map((name) => [name, imports(name)]));
}

/** A way from a file back to itself; null if there is none. */
function circle(graph: Graph): string[] | null {
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (name: string): string[] | null => {
    const at = way.indexOf(name);
    if (at >= 0) {
      return [...way.slice(at), name];
    }
    if (done.has(name)) {
      return null;
    }
    way.push(name);
    for (const other of graph.get(name) ?? []) {
      const found = visit(other);
      if (found !== null) {
        return found;
      }
    }
    way.pop();
    done.add(name);
    return null;
  };
  for (const name of graph.keys()) {
    const found = visit(name);
    if (found !== null) {
      return found;
    }
  }
  return null;
}

test('circles are found', () => {
  const imports = { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] };
  expect(circle(new Map(Object.entries(imports)))).toBeNull();
  expect(circle(new Map(Object.entries({ ...imports, d: ['c'] })))).toEqual(['d', 'c', 'd']);
});

test.each(readdirSync(packagesPath).filter((name) => !MUTUAL.has(name) && existsSync(join(packagesPath, name, 'src'))))(
  'the files of %s do not import each other in circles, types included',
  (name) => {
    const graph = importsOf(join(packagesPath, name, 'src'));
    expect([...graph.values()].flat().length).toBeGreaterThan(0);
    expect(circle(graph)).toBeNull();
  },
);
