/** Names with `*` (any characters), `?` (one) and `[abc]` (one of these), as a pattern for the whole name. */
export function globPattern(glob: string): RegExp {
  const source = glob.replace(/\[[^\]]+\]|[\\^$.*+?()[\]{}|]/g, (part) => {
    if (part === '*') {
      return '.*';
    }
    if (part === '?') {
      return '.';
    }
    return part.length > 1 ? part.replaceAll('\\', '\\\\').replace('[!', '[^') : `\\${part}`;
  });
  return new RegExp(`^${source}$`, 's');
}
