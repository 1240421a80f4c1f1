/** A tree in one JSON file: data that are UTF-8 as text, others as base64. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { aclLine, parseAcl } from '../acl.ts';
import { ShellError } from '../explain.ts';
import { dataJson } from '../format.ts';
import type { Change, Entries, Entry, Location, ReadOptions } from './location.ts';

const FORMAT = 'treekeeper-tree-1';
const PATH = /^$|^[^/]+(\/[^/]+)*$/;

interface JsonNode {
  readonly path: string;
  readonly data?: string | null;
  readonly dataBase64?: string;
  readonly acl?: string;
}

export class JsonFile implements Location {
  readonly name: string;
  readonly keepsAcls = true;
  readonly isRoot = false;
  readonly #file: string;

  constructor(file: string) {
    this.name = `file:${file}`;
    this.#file = file;
  }

  /** With the ACLs that are in it, asked for or not: what had one when it was saved is not to be made open to all. */
  async read({ recursive }: ReadOptions): Promise<Entries | null> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') {
        return null;
      }
      throw error;
    });
    if (text === null) {
      return null;
    }
    const entries = this.#parse(text).map((node) => this.#entry(node));
    const wanted = entries.filter(({ path }) => recursive || path === '');
    return new Map(wanted.map((entry) => [entry.path, entry]));
  }

  #parse(text: string): readonly JsonNode[] {
    let content: unknown;
    try {
      content = JSON.parse(text);
    } catch (error) {
      throw new ShellError(`${this.#file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    const { format, nodes } = (content ?? {}) as { format?: unknown; nodes?: unknown };
    if (format !== FORMAT || !Array.isArray(nodes)) {
      throw new ShellError(
        `${this.#file} is not a tree that this shell has written: it has no "format": "${FORMAT}"`,
        'cp /path file:name.json -r writes one',
      );
    }
    return nodes as JsonNode[];
  }

  #entry(node: JsonNode): Entry {
    const { path, data = null, dataBase64, acl } = node;
    const isText = data === null || typeof data === 'string';
    if (typeof path !== 'string' || !PATH.test(path) || !isText) {
      throw new ShellError(`${this.#file}: this is no node: ${JSON.stringify(node).slice(0, 100)}`);
    }
    const bytes = typeof dataBase64 === 'string' ? Buffer.from(dataBase64, 'base64') : data && Buffer.from(data);
    return {
      path,
      data: bytes === '' ? new Uint8Array() : bytes,
      acl: typeof acl === 'string' ? parseAcl(acl) : null,
    };
  }

  /** The file is replaced as a whole, so that it is never half written. */
  async apply(changes: readonly Change[], done: () => void): Promise<void> {
    const before = await this.read({ recursive: true, acls: true });
    const entries = new Map(before ?? []);
    for (const change of changes) {
      if (change.kind === 'delete') {
        entries.delete(change.path);
      } else {
        const { entry } = change;
        const keepsAcl = change.kind === 'set' && !change.acl;
        entries.set(entry.path, keepsAcl ? { ...entry, acl: entries.get(entry.path)?.acl ?? null } : entry);
      }
      done();
    }
    const nodes = [...entries.values()].map(({ path, data, acl }) => ({
      path,
      ...dataJson(data),
      ...(acl !== null && { acl: aclLine(acl) }),
    }));
    const lines = nodes.map((node) => `    ${JSON.stringify(node)}`);
    const text = `{\n  "format": "${FORMAT}",\n  "nodes": [\n${lines.join(',\n')}\n  ]\n}\n`;
    await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
