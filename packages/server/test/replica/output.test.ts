/** Output of a turn, with and without a host that sends bursts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BurstSender, Connection, Outgoing } from '../../src/io/connection.ts';
import type { ClientConnection } from '../../src/replica/client-connection.ts';
import { Outputs } from '../../src/replica/output.ts';

/** The parts of a client that outputs see, and what has been sent to it. */
interface Recipient {
  readonly client: ClientConnection;
  text: string;
}

function newRecipient(takesAll: boolean): Recipient {
  const recipient = { text: '' } as { client: ClientConnection; text: string };
  const connection: Partial<Connection> = {
    write: (bytes) => {
      recipient.text += Buffer.from(bytes).toString();
      return takesAll;
    },
  };
  recipient.client = { connection, output: null } as ClientConnection;
  return recipient;
}

/** Sends of each connection as many bytes as `shares` says, past its `write`. */
function partialSender(recipients: readonly Recipient[], shares: readonly number[]): BurstSender {
  return {
    connectionsMin: 3,
    send: (outgoing: readonly Outgoing[]) =>
      outgoing.map(({ connection, bytes }, i) => {
        const sent = Math.min(bytes.length, shares[i] ?? 0);
        const recipient = recipients.find(({ client }) => client.connection === connection) as Recipient;
        recipient.text += Buffer.from(bytes.subarray(0, sent)).toString();
        return sent;
      }),
  };
}

const turns = fc.array(fc.array(fc.record({ to: fc.nat(5), text: fc.string({ unit: 'binary-ascii' }) })), {
  maxLength: 6,
});

test('everyone gets all of its output in order, whatever part of it leaves in a burst', () => {
  fc.assert(
    fc.property(turns, fc.array(fc.nat(12)), fc.array(fc.boolean()), (lists, shares, takesAll) => {
      const recipients = Array.from({ length: 6 }, (_, i) => newRecipient(takesAll[i] ?? true));
      const expected = recipients.map(() => '');
      const outputs = new Outputs(partialSender(recipients, shares));
      for (const list of lists) {
        for (const { to, text } of list) {
          outputs.of((recipients[to] as Recipient).client).raw(Buffer.from(text));
          expected[to] += text;
        }
        const told: ClientConnection[] = [];
        outputs.flush((client) => told.push(client));
        expect(new Set(told)).toEqual(new Set(list.map(({ to }) => recipients[to]?.client)));
        expect(told).toHaveLength(new Set(told).size);
      }
      expect(recipients.map(({ text }) => text)).toEqual(expected);
    }),
  );
});

test('a few connections are written to one after the other', () => {
  const recipients = [newRecipient(true), newRecipient(true)];
  const outputs = new Outputs({
    connectionsMin: 3,
    send: () => {
      throw new Error('two are no crowd');
    },
  });
  for (const { client } of recipients) {
    outputs.of(client).raw(Buffer.from('x'));
  }
  outputs.flush(() => {});
  expect(recipients.map(({ text }) => text)).toEqual(['x', 'x']);
});
