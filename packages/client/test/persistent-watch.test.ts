/** A persistent watch that ends while another on the same path begins. */
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect, type Watch } from '../src/index.ts';
import { type Fate, Wire } from './support/wire.ts';

const open: Client[] = [];

async function serve(wire: Wire, options: ConnectOptions = {}): Promise<Client> {
  const resolver = async (): Promise<readonly string[]> => ['10.0.0.1'];
  const client = await connect('a:1', { transport: wire.transport, resolver, ...options });
  open.push(client);
  return client;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close({ keepSession: true })));
});

/** Does something when the next request comes in, before it is answered. */
function atNextRequest(wire: Wire, fate: Fate, act: () => void): void {
  wire.fate = () => {
    wire.fate = () => 'answered';
    act();
    return fate;
  };
}

describe('the removal of a watch that is over', () => {
  test.each([1, 1000])(
    'does not take a newer one away when the connection breaks (%d in flight)',
    async (inFlightMax) => {
      const wire = new Wire();
      const client = await serve(wire, { inFlightMax });
      const first = client.watch('/');
      await first.ready;
      let second: Watch | undefined;
      atNextRequest(wire, 'dropped', () => {
        second = client.watch('/');
      });
      await first.close();
      await second?.ready;
      await client.exists('/'); // behind whatever was on its way
      expect(wire.watched).toEqual(['/']);
    },
  );

  test('does not take a newer one away at a server that can only remove all', async () => {
    const wire = new Wire();
    wire.isOld = true;
    const client = await serve(wire);
    const first = client.watch('/');
    await first.ready;
    let second: Watch | undefined;
    atNextRequest(wire, 'answered', () => {
      second = client.watch('/');
    });
    await first.close();
    await second?.ready;
    await client.exists('/');
    expect(wire.watched).toEqual(['/']);
    await second?.close();
    expect(wire.watched).toEqual([]);
  });

  test('is made once, for the last of them', async () => {
    const wire = new Wire();
    const client = await serve(wire);
    const [first, second] = [client.watch('/'), client.watch('/')];
    await Promise.all([first.ready, second.ready]);
    await first.close();
    expect(wire.watched).toEqual(['/']);
    await second.close();
    expect(wire.watched).toEqual([]);
  });
});
