/** Why a file cannot be read, in words. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    return 'there is no such file';
  }
  if (code === 'EACCES') {
    return 'permission denied';
  }
  if (code === 'EISDIR') {
    return 'it is a directory';
  }
  return error instanceof Error ? error.message : String(error);
}
