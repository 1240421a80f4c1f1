/** A subtree on a server, of this shell's session or of one made for it. */
import { type ACL, type Client, isTreekeeperError } from '@treekeeper/client';
import { kindOf } from '../node-kind.ts';
import { isWithin } from '../paths.ts';
import type { Shell } from '../shell.ts';
import { flat, Slots, walk } from '../walk.ts';
import type { Change, Entries, Entry, Location, ReadOptions } from './location.ts';

const IN_FLIGHT_MAX = 256;
/** What servers keep there is their own business. */
const SYSTEM = '/zookeeper';

export class ServerNodes implements Location {
  readonly name: string;
  readonly keepsAcls = true;
  readonly isRoot: boolean;
  readonly #shell: Shell;
  readonly #client: Client;
  readonly #top: string;
  readonly #ownsClient: boolean;

  constructor(shell: Shell, name: string, client: Client, top: string, ownsClient: boolean) {
    this.name = name;
    this.#shell = shell;
    this.#client = client;
    this.#top = top;
    this.isRoot = top === '/';
    this.#ownsClient = ownsClient;
  }

  /** Ephemeral nodes are left out: they belong to a session, and cannot be copied. */
  async read({ recursive, acls }: ReadOptions): Promise<Entries | null> {
    const skip = (path: string): boolean => isWithin(path, SYSTEM) && !isWithin(this.#top, SYSTEM);
    const options = { data: true, strict: true, skip, client: this.#client, ...(!recursive && { depthMax: 0 }) };
    const root = await walk(this.#shell, this.#top, options).catch((error: unknown) => {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return null;
      }
      throw error;
    });
    if (root === null) {
      return null;
    }
    const nodes = [...flat(root)];
    const kept = nodes.filter(({ path, stat }) => path === this.#top || kindOf(stat) !== 'ephemeral');
    if (kept.length < nodes.length) {
      this.#shell.note(`${nodes.length - kept.length} ephemeral left out of ${this.name}: they belong to sessions`);
    }
    const slots = new Slots(IN_FLIGHT_MAX);
    const entries = await Promise.all(
      kept.map(async ({ path, data }): Promise<Entry> => {
        const acl = acls ? await slots.use(() => this.#aclOf(path)) : null;
        return { path: this.#relative(path), data, acl };
      }),
    );
    return new Map(entries.map((entry) => [entry.path, entry]));
  }

  async #aclOf(path: string): Promise<readonly ACL[]> {
    return (await this.#client.getAcl(path, { signal: this.#shell.signal })).acl;
  }

  #relative(path: string): string {
    return path.slice(this.#top === '/' ? 1 : this.#top.length + 1);
  }

  #absolute(path: string): string {
    return path === '' ? this.#top : `${this.#top === '/' ? '' : this.#top}/${path}`;
  }

  /**
   * Sent in their order and answered in it, so that parents come before their children. The top may take several
   * requests, for its parents. Nodes that get another ACL come last: it may forbid what is still to be done below them.
   */
  async apply(changes: readonly Change[], done: () => void): Promise<void> {
    const slots = new Slots(IN_FLIGHT_MAX);
    const { signal } = this.#shell;
    const applyOne = async (change: Change): Promise<void> => {
      signal.throwIfAborted();
      await this.#apply(change);
      done();
    };
    const isTop = (change: Change): boolean => change.kind === 'create' && change.entry.path === '';
    for (const change of changes.filter(isTop)) {
      await applyOne(change);
    }
    const getsAcl = (change: Change): boolean => change.kind === 'set' && change.acl;
    const others = changes.filter((change) => !isTop(change));
    for (const phase of [others.filter((change) => !getsAcl(change)), others.filter(getsAcl)]) {
      await Promise.all(phase.map((change) => slots.use(() => applyOne(change))));
    }
  }

  async #apply(change: Change): Promise<void> {
    const { signal } = this.#shell;
    if (change.kind === 'delete') {
      return this.#client.delete(this.#absolute(change.path), { signal });
    }
    const { path, data, acl } = change.entry;
    const node = this.#absolute(path);
    if (change.kind === 'set') {
      if (change.data) {
        await this.#client.set(node, data, { signal });
      }
      if (change.acl && acl !== null) {
        await this.#client.setAcl(node, acl, { signal });
      }
      return;
    }
    const options = { signal, ...(acl !== null && { acl }), ...(path === '' && { createParents: true }) };
    await this.#client.create(node, data, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsClient) {
      await this.#client.close();
    }
  }
}
