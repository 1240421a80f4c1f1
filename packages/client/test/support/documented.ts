/** What a package's documentation shows, as a module that can be compiled and run: its `@example`s and its README. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, connect } from '@treekeeper/client';
import { startServer } from '@treekeeper/testing';

interface Example {
  readonly name: string;
  readonly code: string;
}
type Run = (client: Client, connectString: string) => Promise<void>;

/** A name in a package's index.ts. */
export interface Exported {
  readonly name: string;
  readonly isType: boolean;
}

/** What is documented, and how its examples get at it. */
export interface DocumentedOptions {
  /** The package's folder. */
  readonly home: string;
  /** As programs import it. */
  readonly name: string;
  /** Where its index.ts is, below src/. @default src/ itself */
  readonly folder?: string;
  /** Folders below that are another entry's. */
  readonly without?: readonly string[];
  /** Statements that the examples need besides the package's own names. */
  readonly imports?: string;
  /** Whether the README's blocks are among the examples. @default true */
  readonly readme?: boolean;
  /** Which of the exported have an example each: those that can be called, or all. @default 'callable' */
  readonly withExample?: 'callable' | 'all';
}

export class Documented {
  readonly #options: DocumentedOptions;
  readonly #sources: readonly string[];
  readonly exported: readonly Exported[];
  readonly examples: readonly Example[];

  constructor(options: DocumentedOptions) {
    this.#options = options;
    const { home, folder = '.', without = [], readme = true } = options;
    this.#sources = readdirSync(join(home, 'src', folder), { encoding: 'utf8', recursive: true })
      .filter((name) => name.endsWith('.ts') && !without.some((other) => name.startsWith(`${other}/`)))
      .map((name) => join(folder, name));
    this.exported = exportedNames(this.#textOf(join(folder, 'index.ts')));
    const documented = this.#sources.flatMap((file) => examplesOf(file, this.#textOf(file)));
    this.examples = readme ? [...documented, ...this.#readme()] : documented;
  }

  /** Of the exported: those without a doc comment, and those that have no example and are to have one. */
  missing(isForeign: (name: string) => boolean): { readonly comments: string[]; readonly examples: string[] } {
    const all = this.#sources.map((file) => this.#textOf(file)).join('\n');
    const own = this.exported.filter(({ name }) => !isForeign(name));
    const declared = (name: string): RegExp =>
      new RegExp(
        `\\*/\\nexport (?:declare )?(?:abstract )?(?:const|(?:async )?function|class|interface|type) ${name}\\b`,
      );
    const { withExample = 'callable' } = this.#options;
    const shown = this.examples.map(({ name }) => name.replace(/^.*?: /, ''));
    const isShown = ({ name, isType }: Exported): boolean => {
      // Of its own, or (of what can be called) on a member that names it.
      const line = new RegExp(withExample === 'all' ? `^export [^<({=]*\\b${name}\\b` : `\\b${name}\\b`);
      return (isType && withExample === 'callable') || shown.some((shownLine) => line.test(shownLine));
    };
    return {
      comments: own.filter(({ name }) => !declared(name).test(all)).map(({ name }) => name),
      examples: own.filter((each) => !isShown(each)).map(({ name }) => name),
    };
  }

  /** What the compiler says to them; '' when they are fine. */
  compile(): string {
    this.#writeModule();
    const tsc = join(this.#options.home, '../../node_modules/typescript/bin/tsc');
    const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, '-p', this.#folder], { encoding: 'utf8' });
    return status === 0 ? stdout : `${stdout}${stderr}` || `ended with ${status}`;
  }

  /** Runs each on a tree of its own; answers the failures, and how many have run. */
  async run(): Promise<{ readonly failures: string[]; readonly count: number }> {
    const { examples } = (await import(/* @vite-ignore */ this.#writeModule())) as { examples: Record<string, Run> };
    await using server = await startServer();
    await using admin = await connect(server.connectString);
    const failures: string[] = [];
    for (const [i, [name, run]] of Object.entries(examples).entries()) {
      await admin.create(`/example-${i}`);
      const connectString = `${server.connectString}/example-${i}`;
      const client = await connect(connectString);
      await run(client, connectString).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
      await client.close();
    }
    return { failures, count: Object.keys(examples).length };
  }

  #textOf(file: string): string {
    return readFileSync(join(this.#options.home, 'src', file), 'utf8');
  }

  #readme(): Example[] {
    const text = readFileSync(join(this.#options.home, 'README.md'), 'utf8');
    return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code], i) => ({
      name: `README.md: block ${i + 1}`,
      code: (code as string).replaceAll(/^import .*\n/gm, '').replaceAll("'127.0.0.1:2181'", 'connectString'),
    }));
  }

  /** Ignored by git, and inside the package, so that its name resolves. */
  get #folder(): string {
    return join(this.#options.home, 'dist/examples', this.#options.folder ?? '');
  }

  #writeModule(): string {
    mkdirSync(this.#folder, { recursive: true });
    const file = join(this.#folder, 'examples.ts');
    writeFileSync(file, this.#moduleText());
    const settings = {
      extends: join(this.#options.home, '../../tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        composite: false,
        declaration: false,
        rewriteRelativeImportExtensions: false,
        noUnusedLocals: false,
      },
      files: ['examples.ts'],
    };
    writeFileSync(join(this.#folder, 'tsconfig.json'), JSON.stringify(settings));
    return file;
  }

  /** One function for each, in a module that has all public names and a console whose asserts count. */
  #moduleText(): string {
    const functions = this.examples.map(({ name, code }) => {
      const body = `async (client, connectString) => { void client; void connectString; {\n${code}\n} }`;
      return `  ${JSON.stringify(name)}: ${body},\n`;
    });
    const { name, imports = '' } = this.#options;
    const names = this.exported.map(({ name, isType }) => (isType ? `type ${name}` : name));
    return `${imports}import { ${names.join(', ')} } from '${name}';
const console = {
  assert(holds: boolean): void { if (!holds) { throw new Error('an assertion of the example does not hold'); } },
  log(..._: unknown[]): void {},
};
export const examples: Record<string, (client: Client, connectString: string) => Promise<void>> = {
${functions.join('')}};
`;
  }
}

function exportedNames(index: string): Exported[] {
  return [...index.matchAll(/^export (type )?\{([^}]*)\}/gms)].flatMap(([, isType, names]) =>
    (names as string)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({ name: name.replace(/^type /, ''), isType: isType !== undefined || name.startsWith('type ') })),
  );
}

function examplesOf(file: string, text: string): Example[] {
  const blocks = text.matchAll(/@example\n((?: *\*.*\n)+?) *\*\/\n(.*)/g);
  return [...blocks].map(([, comment, declaration]) => ({
    name: `${file}: ${(declaration as string).trim()}`,
    code: (comment as string).replaceAll(/^ *\* ?/gm, '').replaceAll(/^```.*\n/gm, ''),
  }));
}
