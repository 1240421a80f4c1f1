/** Configurations in directories of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadedConfig, loadConfig } from '../../src/config/config.ts';
import { ConfigError, formatNotice, type Notice } from '../../src/config/config-error.ts';
import type { EnsembleConfig } from '../../src/config/server-config.ts';

export const THREE_SERVERS = 'server.1=a:2888:3888;2181\nserver.2=b:2888:3888;2181\nserver.3=c:2888:3888;2181';
const TICKS = 'initLimit=10\nsyncLimit=5\n';

export class ConfigDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'treekeeper-config-'));

  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  write(name: string, text: string): string {
    const file = join(this.path, name);
    writeFileSync(file, text);
    return file;
  }

  /** Loads a zoo.cfg with a data directory; the lines stand behind it, from line 2 on. */
  load(lines: string): LoadedConfig {
    return loadConfig({ file: this.write('zoo.cfg', `dataDir=${this.path}\n${lines}`) });
  }

  /** Loads that of a member: lines from line 4 on. */
  loadMember(lines: string, serverId = 1): LoadedConfig & { readonly ensemble: EnsembleConfig } {
    this.write('myid', `${serverId}\n`);
    const loaded = this.load(TICKS + lines);
    const { ensemble } = loaded.config;
    if (ensemble === null) {
      throw new Error('this is no ensemble');
    }
    return { ...loaded, ensemble };
  }

  /** Notices as an operator sees them, without the directory. */
  shown(notices: readonly Notice[]): string[] {
    return notices.map((notice) => formatNotice(notice).replaceAll(`${this.path}/`, ''));
  }

  faultsOf(lines: string): string[] {
    return this.#faults(() => this.load(lines));
  }

  memberFaultsOf(lines: string, serverId = 1): string[] {
    return this.#faults(() => this.loadMember(lines, serverId));
  }

  #faults(run: () => unknown): string[] {
    try {
      run();
    } catch (error) {
      if (error instanceof ConfigError) {
        return this.shown(error.faults);
      }
      throw error;
    }
    return [];
  }
}
