/** New certificates without a restart (`client.certReload`, `sslQuorumReloadCertFiles`). */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Log } from '../io/log.ts';
import { fingerprintOf, loadTls, type TlsMaterial, type TlsOptions } from './tls.ts';

/** Writers change files in several steps; after the first sign of one this long passes before they are read. */
const SETTLE_MS = 200;

/**
 * Watches the folders of the stores (the files themselves may be replaced, or be links that are turned, as Kubernetes
 * does) and loads the material anew when what the files hold has changed. What cannot be loaded is logged, and the old
 * material stays in use.
 */
export class TlsReloader {
  readonly #options: TlsOptions;
  readonly #prefix: string;
  readonly #log: Log;
  readonly #onReload: (material: TlsMaterial) => void;
  readonly #watchers: FSWatcher[];
  #material: TlsMaterial;
  /** Of what was last looked at, good or bad, so that one fault is told once. */
  #seen: string;
  #timer: NodeJS.Timeout | undefined;

  /** @param prefix see loadTls */
  constructor(
    options: TlsOptions,
    prefix: string,
    material: TlsMaterial,
    log: Log,
    onReload: (material: TlsMaterial) => void,
  ) {
    this.#options = options;
    this.#prefix = prefix;
    this.#material = material;
    this.#seen = material.fingerprint;
    this.#log = log;
    this.#onReload = onReload;
    const folders = new Set(material.files.map((file) => dirname(file)));
    this.#watchers = [...folders].map((folder) => {
      const watcher = watch(folder, { persistent: false }, () => this.#settle());
      watcher.on('error', (error) =>
        log.warn(`${prefix}: watching ${folder} ended, certificates are not reloaded: ${error.message}`),
      );
      return watcher;
    });
  }

  /** Looks at once. True: new material has been handed over. */
  check(): boolean {
    const fingerprint = fingerprintOf(this.#material.files);
    if (fingerprint === this.#seen) {
      return false;
    }
    this.#seen = fingerprint;
    if (fingerprint === this.#material.fingerprint) {
      return false;
    }
    try {
      this.#material = loadTls(this.#options, this.#prefix);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error(`changed TLS files cannot be used, the old certificates stay in use: ${reason}`);
      return false;
    }
    for (const warning of this.#material.warnings) {
      this.#log.warn(warning);
    }
    this.#log.info(`${this.#prefix}: TLS files have changed and are in use for new connections`);
    this.#onReload(this.#material);
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) {
      watcher.close();
    }
  }

  #settle(): void {
    // Not put off by what follows: others may write in the folder all the time. What is half written is seen again.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.check();
    }, SETTLE_MS).unref();
  }
}
