/** What is wrong with a file that somebody has named, with its name first: there may be several. */
export function fileTrouble(file: string, error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'EISDIR') {
    return `${file} is a directory: name the files in it`;
  }
  return `${file}: ${error instanceof Error ? error.message : String(error)}`;
}
