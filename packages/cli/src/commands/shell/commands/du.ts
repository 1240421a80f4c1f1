import { sizeText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';
import { type WalkedNode, walk } from '../walk.ts';

interface Usage {
  readonly path: string;
  readonly depth: number;
  readonly bytes: number;
  readonly nodes: number;
}

export const du: ShellCommand = {
  name: 'du',
  group: 'trees',
  summary: 'Show how much data and how many nodes there are below each child, the largest first',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: {
    d: { value: 'depth', meaning: 'So many levels are shown; 1' },
    b: { meaning: 'Sizes in bytes' },
    n: { meaning: 'Sorted by nodes, not by bytes' },
  },
  async run(shell, args) {
    const top = shell.resolve(args.optional('path') ?? '.');
    const depthMax = args.integer('d') ?? 1;
    const key = args.has('n') ? 'nodes' : 'bytes';
    const usages: Usage[] = [];
    sumUp(await walk(shell, top), usages);
    const shown = usages.filter(({ depth }) => depth <= depthMax).sort((a, b) => b[key] - a[key] || a.depth - b.depth);
    const rows = shown.map(({ path, bytes, nodes }) => ({ bytes, nodes, path }));
    const lines = rows.map(({ bytes, nodes, path }) => {
      const size = args.has('b') ? String(bytes) : sizeText(bytes);
      return `${size.padStart(10)}  ${String(nodes).padStart(8)}  ${path}`;
    });
    shell.output.show(rows, [`${'DATA'.padStart(10)}  ${'NODES'.padStart(8)}  PATH`, ...lines].join('\n'));
  },
};

/** Of the node and all below; each is noted. */
function sumUp({ path, depth, stat, children }: WalkedNode, usages: Usage[]): Usage {
  let bytes = stat.dataLength;
  let nodes = 1;
  for (const child of children) {
    const below = sumUp(child, usages);
    bytes += below.bytes;
    nodes += below.nodes;
  }
  const usage = { path, depth, bytes, nodes };
  usages.push(usage);
  return usage;
}
