/** The pages, cut into what can be checked. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../..', import.meta.url));

export interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** What stands in `backticks` outside of blocks. */
  readonly inlineCode: readonly string[];
}

const paths = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/README.md',
  'docs/getting-started.md',
  'docs/guides/shell.md',
  'docs/operating',
  'docs/internals',
  'docs/decisions',
  'examples/README.md',
  'packages/cli/README.md',
  'packages/protocol/README.md',
  'packages/server/README.md',
  'packages/simulator/README.md',
  'packages/interop/README.md',
].flatMap((path) =>
  path.endsWith('.md')
    ? [path]
    : readdirSync(join(root, path))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${path}/${name}`),
);

const FENCE = /^ *```(\w*)\n([\s\S]*?)^ *```$/gm;

export const pages: readonly Page[] = paths.map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const blocks = [...text.matchAll(FENCE)].map(([, language, content]) => ({ page: path, language, text: content }));
  const prose = text.replaceAll(FENCE, '');
  return { path, text, blocks, inlineCode: [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]) };
});

export function blocksIn(language: string): Block[] {
  return pages.flatMap((page) => page.blocks.filter((block) => block.language === language));
}

export function page(path: string): Page {
  const found = pages.find((candidate) => candidate.path === path);
  if (found === undefined) {
    throw new Error(`there is no page ${path}`);
  }
  return found;
}
