/** Kerberos, through the optional package `kerberos` (client-protocol.md §8.6). */
import { TreekeeperError } from '../errors.ts';
import type { GssapiOptions } from '../options.ts';
import type { SaslConversation } from './conversation.ts';

/** What is used of the package `kerberos`, whose types are not there when it is not. */
interface Kerberos {
  initializeClient(service: string, options: Record<string, unknown>): Promise<KerberosClient>;
}
interface KerberosClient {
  readonly contextComplete: boolean;
  /** Base64 in and out. */
  step(challenge: string): Promise<string | null>;
  unwrap(challenge: string): Promise<string>;
  wrap(answer: string, options: { user?: string }): Promise<string>;
}

/** Loads a module by name; a parameter, so that a test can be without it. */
export type Load = (name: string) => Promise<unknown>;

const PACKAGE = 'kerberos';
const load: Load = (name) => import(name);
/** RFC 4752: no security layer, and no largest message with it. */
const NO_SECURITY_LAYER = Buffer.from([1, 0, 0, 0]);

export async function gssapiConversations(
  options: GssapiOptions,
  from: Load = load,
): Promise<(host: string) => SaslConversation> {
  const kerberos = await loadKerberos(from);
  const { service = 'zookeeper', hostname } = options;
  return (host) => new GssapiConversation(kerberos, `${service}@${hostname ?? host}`);
}

async function loadKerberos(from: Load): Promise<Kerberos> {
  try {
    const loaded = (await from(PACKAGE)) as { default?: Kerberos } & Kerberos;
    return loaded.default ?? loaded;
  } catch (cause) {
    throw new TreekeeperError('KERBEROS_MISSING', { operation: 'connect', cause });
  }
}

class GssapiConversation implements SaslConversation {
  readonly #kerberos: Kerberos;
  readonly #service: string;
  #client: KerberosClient | null = null;
  #state: 'context' | 'layer' | 'over' = 'context';

  constructor(kerberos: Kerberos, service: string) {
    this.#kerberos = kerberos;
    this.#service = service;
  }

  get isSatisfied(): boolean {
    return this.#state === 'over';
  }

  async step(challenge: Uint8Array | null): Promise<Uint8Array | null> {
    this.#client ??= await this.#kerberos.initializeClient(this.#service, {});
    const client = this.#client;
    const received = Buffer.from(challenge ?? new Uint8Array(0)).toString('base64');
    if (this.#state === 'context') {
      const token = await client.step(received);
      if (client.contextComplete) {
        this.#state = 'layer';
      }
      return Buffer.from(token ?? '', 'base64');
    }
    if (this.#state === 'layer') {
      // The server offers security layers; we want none, and act for ourselves.
      await client.unwrap(received);
      this.#state = 'over';
      return Buffer.from(await client.wrap(NO_SECURITY_LAYER.toString('base64'), {}), 'base64');
    }
    return null;
  }

  dispose(): void {
    this.#client = null;
  }
}
