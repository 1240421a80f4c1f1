/** A reader of our output that goes away (`| head`) ends the process without a word. May be called again. */
export function endWithReader(): void {
  process.stdout.off('error', onOutputError).on('error', onOutputError);
}

function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') {
    process.exit(0);
  }
  throw error;
}
