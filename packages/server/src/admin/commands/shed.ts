import type { Command, CommandAnswer, CommandContext } from './command.ts';

/** The body is one small JSON object; more than this is not one. */
const BODY_BYTES_MAX = 4096;

export const shedCommands: readonly Command[] = [
  {
    name: 'shed_connections',
    aliases: ['shed'],
    needsServer: true,
    method: 'POST',
    needsAuthorization: true,
    run: shed,
  },
];

/** Body: `{"percentage": 25}`. */
async function shed({ body, control }: CommandContext): Promise<CommandAnswer> {
  const percentage = percentageOf(await readText(body));
  if (percentage === null) {
    const error = 'the body must be a JSON object with a whole number from 0 to 100 as "percentage"';
    return { status: 400, fields: { error } };
  }
  return { fields: { percentage_requested: percentage, connections_shed: control.shedConnections(percentage) } };
}

/** The body as text; what is too long ends early, and is no JSON then. */
async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > BODY_BYTES_MAX) {
      return '';
    }
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function percentageOf(text: string): number | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('percentage' in value)) {
    return null;
  }
  const { percentage } = value;
  const valid = typeof percentage === 'number' && Number.isInteger(percentage) && percentage >= 0 && percentage <= 100;
  return valid ? percentage : null;
}
