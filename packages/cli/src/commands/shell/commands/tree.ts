import { dataText, type Json } from '../format.ts';
import { paint } from '../io.ts';
import { kindOf } from '../node-kind.ts';
import { nameOf } from '../paths.ts';
import type { Shell, ShellCommand } from '../shell.ts';
import { flat, type WalkedNode, walk } from '../walk.ts';

const DATA_CHARACTERS_MAX = 60;

export const tree: ShellCommand = {
  name: 'tree',
  group: 'trees',
  summary: 'Draw what is below a node; ephemeral nodes are marked with *',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: {
    d: { value: 'depth', meaning: 'So many levels only' },
    v: { meaning: 'The data as well, in short' },
  },
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    const depthMax = args.integer('d', 1);
    const root = await walk(shell, path, { data: args.has('v'), ...(depthMax !== undefined && { depthMax }) });
    const count = [...flat(root)].length;
    const lines = [path, ...branches(shell, root, '', args.has('v')), `${count} node${count === 1 ? '' : 's'}`];
    shell.output.show(nested(root, args.has('v')), lines.join('\n'));
  },
};

function branches(shell: Shell, { children }: WalkedNode, indent: string, withData: boolean): string[] {
  return children.flatMap((child, i) => {
    const isLast = i === children.length - 1;
    const isEphemeral = kindOf(child.stat) === 'ephemeral';
    const name = paint(shell.output.colour && isEphemeral, 'cyan', nameOf(child.path));
    const data = withData && child.data !== null ? ` = ${shortened(dataText(child.data))}` : '';
    const line = `${indent}${isLast ? '└── ' : '├── '}${name}${isEphemeral ? '*' : ''}${data}`;
    return [line, ...branches(shell, child, indent + (isLast ? '    ' : '│   '), withData)];
  });
}

function shortened(text: string): string {
  const line = JSON.stringify(text).slice(1, -1);
  return line.length > DATA_CHARACTERS_MAX ? `${line.slice(0, DATA_CHARACTERS_MAX - 1)}…` : line;
}

function nested(node: WalkedNode, withData: boolean): { [key: string]: Json } {
  return {
    path: node.path,
    type: kindOf(node.stat),
    ...(withData && { data: node.data === null ? null : dataText(node.data) }),
    children: node.children.map((child) => nested(child, withData)),
  };
}
