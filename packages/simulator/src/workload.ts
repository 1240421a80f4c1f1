/**
 * What clients want: random requests of every kind, on few enough paths that they meet. Nothing in here judges; the
 * clients only remember what a client must.
 */
import { type ACL, AddWatchMode, CreateMode, OPEN_ACL, OpCode, Perms, WatcherType } from '@treekeeper/protocol';
import { type Dice, Weighted } from './dice.ts';
import type { WorkloadPlan } from './faults.ts';
import { limitsText, quotaPaths } from './model/quota.ts';
import type { ClientRequest, Create, MultiPart, ReadRequest, WriteRequest } from './requests.ts';

/** A digest user with the identity that the server makes of name and password. */
export interface DigestUser {
  readonly credentials: string;
  readonly id: string;
}

export const ALICE: DigestUser = { credentials: 'alice:secret', id: 'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=' };

const NAMES = ['a', 'b', 'c', 'd', 'é', 'ключ', '節', 'x-', 'lock-', 'n', 'm', 'zzzz-a-long-name-of-a-node'];
const SMALL_DATA_BYTES = [0, 1, 7, 40, 100];
const MEDIUM_DATA_BYTES = [600, 3000, 5000];
const LARGE_DATA_BYTES = [20_000, 45_000];

const ACLS: readonly (readonly ACL[])[] = [
  [{ perms: Perms.all & ~Perms.delete, id: { scheme: 'world', id: 'anyone' } }],
  [{ perms: Perms.read | Perms.admin | Perms.delete, id: { scheme: 'world', id: 'anyone' } }],
  [
    { perms: Perms.all, id: { scheme: 'digest', id: ALICE.id } },
    { perms: Perms.write | Perms.create | Perms.delete, id: { scheme: 'world', id: 'anyone' } },
  ],
  [
    { perms: Perms.read, id: { scheme: 'digest', id: ALICE.id } },
    { perms: Perms.all, id: { scheme: 'ip', id: '127.0.0.1' } },
  ],
  [{ perms: Perms.all, id: { scheme: 'auth', id: '' } }],
];

const QUOTA_SHARE = 0.05;

const READS = new Weighted({
  getData: 8,
  exists: 6,
  getChildren: 4,
  getChildren2: 3,
  getACL: 2,
  sync: 2,
  getEphemerals: 1,
  getAllChildrenNumber: 1,
  ping: 1,
  multiRead: 2,
  addWatch: 2,
  checkWatches: 1,
  removeWatches: 1,
});

const WRITES = new Weighted({ create: 14, setData: 10, delete: 4, setACL: 2, multi: 4 });

const CREATES = new Weighted({
  persistent: 8,
  ephemeral: 4,
  persistentSequential: 3,
  ephemeralSequential: 2,
  container: 2,
  persistentWithTtl: 1,
  persistentSequentialWithTtl: 1,
});

export class Workload {
  readonly #dice: Dice;
  readonly #plan: WorkloadPlan;

  constructor(dice: Dice, plan: WorkloadPlan) {
    this.#dice = dice;
    this.#plan = plan;
  }

  request(): ClientRequest {
    const dice = this.#dice;
    if (dice.chance(this.#plan.malformed)) {
      return { kind: 'malformed', opcode: dice.pick([OpCode.create, OpCode.setData, OpCode.multi, OpCode.getData]) };
    }
    return dice.chance(this.#plan.writes) ? this.write() : this.#read();
  }

  /** One of the few on which clients meet. */
  path(): string {
    const dice = this.#dice;
    let path = `/${NAMES[dice.below(this.#plan.topLevelNodes)]}`;
    while (path.length < 40 && dice.chance(0.22)) {
      path += `/${dice.pick(NAMES)}`;
    }
    if (dice.chance(0.1)) {
      path += `/${dice.pick(NAMES)}${String(dice.below(4)).padStart(10, '0')}`;
    }
    return dice.chance(0.04) ? dice.pick(this.#plan.reservedPaths) : path;
  }

  #data(): Uint8Array | null {
    const dice = this.#dice;
    if (dice.chance(0.05)) {
      return null;
    }
    const isLarge = this.#plan.largeData && dice.chance(0.1);
    const sizes = isLarge ? LARGE_DATA_BYTES : dice.chance(0.1) ? MEDIUM_DATA_BYTES : SMALL_DATA_BYTES;
    return Buffer.alloc(dice.pick(sizes), dice.pick(['lorem ipsum ', 'B', '\0', 'x\u00ff']));
  }

  #acl(): readonly ACL[] {
    return this.#dice.chance(0.8) ? OPEN_ACL : this.#dice.pick(ACLS);
  }

  #version(): number {
    return this.#dice.chance(0.85) ? -1 : this.#dice.below(4);
  }

  #create(): Create {
    const dice = this.#dice;
    const flags: number = CreateMode[CREATES.draw(dice)];
    let opcode: number = dice.pick([OpCode.create, OpCode.create2]);
    if (flags === CreateMode.container) {
      opcode = OpCode.createContainer;
    } else if (flags >= CreateMode.persistentWithTtl) {
      opcode = OpCode.createTTL;
    }
    const ttlMs = dice.pick([1, 300, 5000]);
    return { kind: 'create', opcode, path: this.path(), data: this.#data(), acl: this.#acl(), flags, ttlMs };
  }

  #part(): MultiPart {
    const kind = this.#dice.pick(['create', 'setData', 'setData', 'check', 'delete'] as const);
    switch (kind) {
      case 'create':
        return this.#create();
      case 'setData':
        return { kind, path: this.path(), data: this.#data(), version: this.#version() };
      case 'delete':
      case 'check':
        return { kind, path: this.path(), version: this.#version() };
    }
  }

  write(): WriteRequest {
    const dice = this.#dice;
    if (this.#plan.quotas && dice.chance(QUOTA_SHARE)) {
      return this.#quota();
    }
    const kind = WRITES.draw(dice);
    switch (kind) {
      case 'create':
        return this.#create();
      case 'setData':
        return { kind, path: this.path(), data: this.#data(), version: this.#version() };
      case 'delete':
        return { kind, path: this.path(), version: this.#version() };
      case 'setACL': {
        const path = this.path();
        // The root stays open: a tree that nobody may change would be no test.
        return { kind, path: path === '/' ? '/a' : path, acl: this.#acl(), version: this.#version() };
      }
      case 'multi':
        return { kind, parts: Array.from({ length: dice.between(0, 4) }, () => this.#part()) };
    }
  }

  /** Limits where there were none, or other ones. */
  #quota(): WriteRequest {
    const dice = this.#dice;
    const { top, limits, stats } = quotaPaths(`/${NAMES[dice.below(this.#plan.topLevelNodes)]}`);
    const data = Buffer.from(limitsText(dice.pick([1, 2, 4, 8]), dice.pick([-1, 10, 200, 5000])));
    if (dice.chance(0.5)) {
      return { kind: 'setData', path: limits, data, version: -1 };
    }
    const created = { kind: 'create', opcode: OpCode.create, acl: OPEN_ACL, flags: 0, ttlMs: 0 } as const;
    const parts: readonly Create[] = [
      { ...created, path: top, data: null },
      { ...created, path: limits, data },
      { ...created, path: stats, data: null },
    ];
    return { kind: 'multi', parts };
  }

  #read(): ReadRequest {
    const dice = this.#dice;
    const kind = READS.draw(dice);
    const path = this.path();
    switch (kind) {
      case 'getData':
      case 'exists':
      case 'getChildren':
      case 'getChildren2':
        return { kind, path, watch: dice.chance(0.5) };
      case 'getACL':
      case 'getAllChildrenNumber':
      case 'sync':
        return { kind, path };
      case 'getEphemerals':
        return { kind, path: '/' };
      case 'ping':
        return { kind };
      case 'multiRead': {
        const opcodes = [OpCode.getData, OpCode.getChildren];
        const part = () => ({ opcode: dice.pick(opcodes), path: this.path() });
        return { kind, parts: Array.from({ length: dice.between(0, 3) }, part) };
      }
      case 'addWatch':
        return { kind, path, mode: dice.pick([AddWatchMode.persistent, AddWatchMode.persistentRecursive]) };
      case 'checkWatches':
      case 'removeWatches':
        return { kind, path, type: dice.pick(Object.values(WatcherType)) };
    }
  }
}
