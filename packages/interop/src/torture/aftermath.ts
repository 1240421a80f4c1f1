/** When all clients have gone: the same tree and the same history everywhere, and nothing old has changed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionLost } from '../session.ts';
import { compareDumps, dumpTree, type TreeDump } from '../tree-dump.ts';
import { type Cluster, within } from './cluster.ts';
import type { Findings } from './figures.ts';
import { removeGround } from './ground.ts';
import type { Member } from './member.ts';

const SETTLE_MS_MAX = 60_000;
const DUMP_ATTEMPTS_MAX = 20;
const DUMP_PAUSE_MS = 1000;

export class Aftermath {
  readonly #cluster: Cluster;
  readonly #findings: Findings;
  /** Trees of earlier episodes, by their roots. */
  readonly #past = new Map<string, TreeDump>();

  constructor(cluster: Cluster, findings: Findings) {
    this.#cluster = cluster;
    this.#findings = findings;
  }

  /** All have applied the same transactions. */
  async settle(): Promise<boolean> {
    let zxids: (string | null)[] = [];
    const isSame = await within(SETTLE_MS_MAX, async () => {
      zxids = await Promise.all(this.#cluster.members.map((member) => member.zxid()));
      return zxids[0] !== null && new Set(zxids).size === 1;
    });
    const modes = isSame ? '' : await this.#cluster.modes();
    return this.#findings.that('stuck', 'all have the same last zxid', isSame, () => `${zxids.join(', ')}; ${modes}`);
  }

  /** Everybody has the same tree, and those of earlier episodes are as they were. */
  async compare(root: string): Promise<void> {
    const [first, ...others] = this.#cluster.members;
    const tree = await treeOf(first);
    for (const other of others) {
      const difference = compareDumps(tree, await treeOf(other));
      this.#findings.that('tree', `server ${other.id} has the tree of server 1`, difference === '', () => difference);
    }
    for (const [path, before] of this.#past) {
      const difference = compareDumps(before, below(tree, path));
      this.#findings.that('tree', `${path} is as it was`, difference === '', () => difference);
    }
    this.#past.set(root, below(tree, root));
    await this.#compareDigests();
  }

  /** Digests of the same transactions are the same, as far back as servers remember. */
  async #compareDigests(): Promise<void> {
    const known = new Map<string, string>();
    for (const member of this.#cluster.members.filter(({ wasAltered }) => !wasAltered)) {
      for (const line of (await member.server.word('hash')).split('\n').filter((text) => text.includes(': '))) {
        const [zxid, digest] = line.split(': ');
        const other = known.get(zxid) ?? digest;
        known.set(zxid, digest);
        this.#findings.that(
          'tree',
          `digest of ${zxid}`,
          digest === other,
          () => `server ${member.id} has ${digest}, not ${other}`,
        );
      }
      const mismatches = (await member.monitor('digest_mismatches_count')) ?? '0';
      this.#findings.that('tree', `server ${member.id} finds no wrong digest`, mismatches === '0', () => mismatches);
    }
  }

  async remove(root: string): Promise<void> {
    this.#past.delete(root);
    await removeGround(root, this.#cluster.servers);
  }
}

/** On a busy machine a server may lose its leader even now, and its clients with that. */
async function treeOf({ server }: Member): Promise<TreeDump> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await dumpTree(server.port, server.host);
    } catch (error) {
      const isLost = error instanceof ConnectionLost || (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      if (!isLost || attempt === DUMP_ATTEMPTS_MAX) {
        throw error;
      }
      await sleep(DUMP_PAUSE_MS);
    }
  }
}

function below(tree: TreeDump, root: string): TreeDump {
  return new Map([...tree].filter(([path]) => path === root || path.startsWith(`${root}/`)));
}
