import { connect } from '@treekeeper/client';
import { resolvePath } from '../paths.ts';
import type { Shell } from '../shell.ts';
import { Directory } from './directory.ts';
import { JsonFile } from './json-file.ts';
import { type Location, parseLocation } from './location.ts';
import { ServerNodes } from './server-nodes.ts';

/** Opens what a person has named; see `parseLocation`. Another server gets the TLS and login options of this shell. */
export async function openLocation(shell: Shell, text: string): Promise<Location> {
  const name = parseLocation(text);
  switch (name.kind) {
    case 'node': {
      const path = shell.resolve(name.path);
      return new ServerNodes(shell, path, shell.client, path, false);
    }
    case 'server': {
      const client = await connect(name.servers, { ...shell.connectOptions, signal: shell.signal });
      return new ServerNodes(shell, text, client, resolvePath('/', name.path), true);
    }
    case 'file':
      return name.file.endsWith('.json') ? new JsonFile(name.file) : new Directory(name.file);
  }
}
