import { EXIT, ShellError } from '../explain.ts';
import { paint } from '../io.ts';
import { askAll, isRefused } from '../servers.ts';
import type { Shell, ShellCommand } from '../shell.ts';

const WORDS: Readonly<Record<string, string>> = {
  ruok: 'Ask the servers whether they are well',
  srvr: 'Show version, mode, latencies and connections of the servers',
  mntr: 'Show what the servers count',
  cons: 'Show the connections of the servers',
  conf: 'Show the settings of the servers',
  dump: 'Show sessions and their ephemeral nodes',
  envi: 'Show the environment of the servers',
  wchs: 'Show how many watches there are',
  wchc: 'Show watches by session',
  wchp: 'Show watches by path',
  dirs: 'Show how large snapshots and logs are',
  isro: 'Ask the servers whether they are read-only',
  hash: 'Show digests of the tree at recent transactions',
  crst: 'Reset the statistics of connections',
  srst: 'Reset the statistics of the servers',
};

/** A command for each word that zkCli has no other command for. */
export const fourLetterWords: readonly ShellCommand[] = Object.entries(WORDS).map(([word, summary]) => ({
  name: word,
  group: 'servers',
  summary,
  parameters: [],
  needsSession: false,
  run: (shell) => show(shell, word),
}));

export const fourLetterWord: ShellCommand = {
  name: '4lw',
  group: 'servers',
  summary: 'Send any four-letter word to the servers; stat among them',
  parameters: [{ name: 'word', kind: 'text' }],
  needsSession: false,
  run: (shell, args) => show(shell, args.text('word')),
};

/** With several servers, each answer stands below the name of its server. */
async function show(shell: Shell, word: string): Promise<void> {
  const answers = await askAll(shell, word);
  const isOne = answers.length === 1;
  const lines = answers.map(({ server, text, error }) => {
    const head = isOne ? '' : `${paint(shell.output.colour, 'bold', server)}\n`;
    return `${head}${text ?? `error: ${error}`}`;
  });
  const failed = answers.filter(({ text }) => text === null);
  if (isOne && failed.length === 1) {
    throw new ShellError(`${answers[0].server} does not answer: ${answers[0].error}`, null, EXIT.connection);
  }
  // A word that it does not know, a server answers with nothing; as some that have nothing to say, which we know.
  const unknown = answers.filter(({ text }) => text === '' && !Object.hasOwn(WORDS, word));
  if (unknown.length === answers.length) {
    const names = unknown.map(({ server }) => server).join(', ');
    throw new ShellError(`${names} does not answer to ${word}`, 'help lists the words');
  }
  shell.output.show(isOne ? (answers[0].text ?? '') : answers.map((answer) => ({ ...answer })), lines.join('\n'));
  if (answers.some(isRefused)) {
    throw new ShellError('', null, EXIT.failed);
  }
  if (failed.length > 0) {
    const names = failed.map(({ server }) => server).join(', ');
    throw new ShellError(`no answer from ${names}`, null, EXIT.connection);
  }
}
