import { TreekeeperError } from '@treekeeper/client';
import { ShellError } from '../explain.ts';
import { type Location, parseLocation } from './location.ts';

/** What to say of a place where nothing is. */
export function missing(location: Location, text: string): Error {
  return parseLocation(text).kind === 'node'
    ? new TreekeeperError('NO_NODE', { path: location.name, operation: 'get' })
    : new ShellError(`there is nothing at ${location.name}`);
}
