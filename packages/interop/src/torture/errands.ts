/** Calls beside registers and queues: on nodes that others watch, on nodes with an ACL, and below a quota. */
import { OPEN_ACL } from '@treekeeper/client';
import type { Random } from '../random.ts';
import {
  type Ground,
  INNER_NODE,
  limits,
  OWNERS_NODE,
  tombstoneOf,
  UNTOUCHED_NODE,
  WATCHED_CHILDREN,
  WATCHED_LEAVES,
  WATCHED_PARENTS,
} from './ground.ts';
import type { ChangeCall, StoreCall, TryAct, TryCall } from './history.ts';
import { noRetry, type RecordedClient } from './recorded-client.ts';

const STORED_BYTES_MAX = 4000;
const TRIES: readonly TryAct[] = ['get', 'children', 'set', 'create', 'delete', 'set ACL', 'transaction'];
/** What owners do: nothing that would change who may do what, or what is there. */
const OWNER_TRIES: readonly TryAct[] = ['get', 'children', 'set'];

export class Errands {
  readonly #recorded: RecordedClient;
  readonly #ground: Ground;
  readonly #random: Random;
  /** The client has the identity that ACLs name. */
  readonly #isOwner: boolean;
  /** Of the subtree with the quota: made by this client, and not deleted. */
  readonly #stored: { readonly path: string; readonly sizeBytes: number }[] = [];

  constructor(recorded: RecordedClient, ground: Ground, random: Random, isOwner: boolean) {
    this.#recorded = recorded;
    this.#ground = ground;
    this.#random = random;
    this.#isOwner = isOwner;
  }

  // Nodes that others watch

  async change(value: string): Promise<void> {
    const random = this.#random;
    const folder = `${this.#ground.root}/watched`;
    if (random.chance(0.4)) {
      await this.#set(`${folder}/${random.pick([...WATCHED_PARENTS, ...WATCHED_LEAVES])}`, value);
      return;
    }
    const comesAndGoes = random.chance(0.5)
      ? random.pick(WATCHED_LEAVES)
      : `${random.pick(WATCHED_PARENTS)}/${random.pick(WATCHED_CHILDREN)}`;
    const path = `${folder}/${comesAndGoes}`;
    await (random.chance(0.5) ? this.#create(path, value) : this.#delete(path, value));
  }

  async #set(path: string, value: string): Promise<void> {
    const call = this.#recorded.begin({ kind: 'change', path, act: 'set' });
    await this.#recorded.answer([call], this.#recorded.client.set(path, value, noRetry), ({ mzxid }) => {
      call.zxid = mzxid;
    });
  }

  async #create(path: string, value: string): Promise<void> {
    const call = this.#recorded.begin({ kind: 'change', path, act: 'create' });
    await this.#recorded.answer([call], this.#recorded.client.create(path, value, noRetry), ({ stat }) => {
      call.zxid = stat.czxid;
    });
  }

  async #delete(path: string, value: string): Promise<void> {
    await this.#bury(this.#recorded.begin({ kind: 'change', path, act: 'delete' }), value);
  }

  /** The answer to a deletion does not name its zxid; that to a change in the same transaction does. */
  async #bury(call: ChangeCall | StoreCall, value: string): Promise<void> {
    const transaction = this.#recorded.client.transaction().delete(call.path).set(tombstoneOf(this.#ground), value);
    await this.#recorded.answer([call], transaction.commit(noRetry), ([, { stat }]) => {
      call.zxid = stat.mzxid;
    });
  }

  // Nodes with an ACL

  async try(value: string): Promise<void> {
    const folder = `${this.#ground.root}/closed`;
    const hasRight = this.#isOwner;
    const act = this.#random.pick(hasRight ? OWNER_TRIES : TRIES);
    const node = hasRight ? OWNERS_NODE : this.#random.pick([OWNERS_NODE, UNTOUCHED_NODE]);
    const call = this.#recorded.begin({ kind: 'try', path: `${folder}/${node}`, act, hasRight });
    await this.#recorded.answer([call], this.#attempt(call, value), () => {});
  }

  #attempt({ path, act }: TryCall, value: string): Promise<unknown> {
    const { client } = this.#recorded;
    switch (act) {
      case 'get':
        return client.get(path, noRetry);
      case 'children':
        return client.children(path, noRetry);
      case 'set':
        return client.set(path, value, noRetry);
      case 'create':
        return client.create(`${path}/${value}`, null, noRetry);
      case 'delete':
        return client.delete(`${path}/${INNER_NODE}`, noRetry);
      case 'set ACL':
        return client.setAcl(path, OPEN_ACL, noRetry);
      case 'transaction':
        return client.transaction().set(tombstoneOf(this.#ground), value).set(path, value).commit(noRetry);
    }
  }

  // Below a quota

  async store(name: string): Promise<void> {
    const random = this.#random;
    const top = `${this.#ground.root}/limited`;
    if (this.#stored.length > 0 && random.chance(0.4)) {
      const [node] = this.#stored.splice(random.below(this.#stored.length), 1);
      await this.#bury(this.#recorded.begin({ kind: 'store', act: 'delete', ...node }), name);
      return;
    }
    if (random.chance(0.1)) {
      const sizeBytes = limits.sizeBytes + 1;
      const call = this.#recorded.begin({ kind: 'store', path: top, act: 'overfill', sizeBytes });
      const set = this.#recorded.client.set(top, new Uint8Array(sizeBytes), noRetry);
      await this.#recorded.answer([call], set, ({ mzxid }) => {
        call.zxid = mzxid;
      });
      return;
    }
    const path = `${top}/${name}`;
    const sizeBytes = random.below(STORED_BYTES_MAX);
    const call = this.#recorded.begin({ kind: 'store', path, act: 'create', sizeBytes });
    const create = this.#recorded.client.create(path, new Uint8Array(sizeBytes), noRetry);
    await this.#recorded.answer([call], create, ({ stat }) => {
      call.zxid = stat.czxid;
      this.#stored.push({ path, sizeBytes });
    });
  }
}
