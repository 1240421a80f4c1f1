import { pathFault } from '@treekeeper/protocol';
import { UsageError } from '../../terminal.ts';

/**
 * The absolute path that `text` means in the directory `cwd`; `.` and `..` work, a slash at the end does not matter. No
 * text is no path, as in zkCli: it is what a script hands on whose variable is not set.
 *
 * @throws UsageError
 */
export function resolvePath(cwd: string, text: string): string {
  if (text === '') {
    throw new UsageError('a path is empty; . is the node where you are, / the root');
  }
  const parts = text.startsWith('/') ? [] : cwd.split('/').filter((part) => part !== '');
  for (const part of text.split('/')) {
    if (part === '..') {
      parts.pop();
    } else if (part !== '.' && part !== '') {
      parts.push(part);
    }
  }
  const path = `/${parts.join('/')}`;
  const fault = pathFault(path);
  if (fault !== null) {
    throw new UsageError(`${text} is no path: ${fault}`);
  }
  return path;
}

export function joinPath(parent: string, child: string): string {
  return parent === '/' ? `/${child}` : `${parent}/${child}`;
}

/** The parent's path; that of the root is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** The last component; '' of the root. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether a node is another one, or below it. */
export function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(top === '/' ? '/' : `${top}/`);
}
