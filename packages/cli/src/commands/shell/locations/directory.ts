/**
 * A tree in a directory: a node without children is a file, one with children a directory, whose own data (if any) are
 * in a file `.znode` in it. A single node is a plain file.
 */
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeDirectory } from '../../../make-directory.ts';
import { ShellError } from '../explain.ts';
import type { Change, Entries, Entry, Location, ReadOptions } from './location.ts';

const OWN_DATA = '.znode';
/** Of what is made: nobody else may read here what an ACL may have kept from him there. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

type FileKind = 'file' | 'directory' | 'none';

export class Directory implements Location {
  readonly name: string;
  readonly keepsAcls = false;
  readonly isRoot: boolean;
  readonly #top: string;

  constructor(path: string) {
    this.name = `file:${path}`;
    this.isRoot = resolve(path) === resolve('/');
    this.#top = path;
  }

  async read({ recursive }: ReadOptions): Promise<Entries | null> {
    const kind = await kindAt(this.#top);
    if (kind === 'none') {
      return null;
    }
    const entries: Entry[] = [];
    await this.#collect('', kind, recursive, entries);
    return new Map(entries.map((entry) => [entry.path, entry]));
  }

  async #collect(path: string, kind: FileKind, recursive: boolean, entries: Entry[]): Promise<void> {
    const file = join(this.#top, path);
    if (kind === 'file') {
      entries.push({ path, data: await readFile(file), acl: null });
      return;
    }
    const names = (await readdir(file)).sort();
    const data = names.includes(OWN_DATA) ? await readFile(join(file, OWN_DATA)) : null;
    entries.push({ path, data, acl: null });
    for (const name of recursive ? names.filter((candidate) => candidate !== OWN_DATA) : []) {
      const child = path === '' ? name : `${path}/${name}`;
      await this.#collect(child, await kindAt(join(file, name)), recursive, entries);
    }
  }

  async apply(changes: readonly Change[], done: () => void): Promise<void> {
    const written = changes.flatMap((change) => (change.kind === 'delete' ? [] : [change.entry.path]));
    const parents = new Set(written.flatMap((path) => (path === '' ? [] : [parentOf(path)])));
    for (const change of changes) {
      if (change.kind === 'delete') {
        await rm(join(this.#top, change.path), { recursive: true, force: true });
      } else {
        await this.#write(change.entry, parents.has(change.entry.path));
      }
      done();
    }
  }

  async #write({ path, data }: Entry, hasChildren: boolean): Promise<void> {
    if (path.split('/').includes(OWN_DATA)) {
      throw new ShellError(`the node ${path} cannot be kept in a directory: ${OWN_DATA} is where nodes' own data are`);
    }
    const file = join(this.#top, path);
    await this.#makeDirectory(path === '' ? null : parentOf(path));
    if (hasChildren || (await kindAt(file)) === 'directory') {
      await this.#makeDirectory(path);
      const own = join(file, OWN_DATA);
      await (data === null || data.length === 0 ? rm(own, { force: true }) : writeFile(own, data, { mode: FILE_MODE }));
    } else {
      await writeFile(file, data ?? new Uint8Array(), { mode: FILE_MODE });
    }
  }

  /** A file in its place becomes the directory's own data. Null: the directory that the tree is in. */
  async #makeDirectory(path: string | null): Promise<void> {
    const file = path === null ? dirname(this.#top) : join(this.#top, path);
    if (path !== null && (await kindAt(file)) === 'file') {
      const aside = `${file}${OWN_DATA}`;
      await rename(file, aside);
      await mkdir(file, { mode: DIRECTORY_MODE });
      await rename(aside, join(file, OWN_DATA));
    } else {
      makeDirectory(file, DIRECTORY_MODE);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

async function kindAt(path: string): Promise<FileKind> {
  try {
    const stat = await lstat(path);
    if (!stat.isFile() && !stat.isDirectory()) {
      throw new ShellError(`${path} is neither a file nor a directory`);
    }
    return stat.isFile() ? 'file' : 'directory';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return 'none';
    }
    throw error;
  }
}
