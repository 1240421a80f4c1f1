/** One server of the ensemble under torture: its process, its disk and its clock. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { Server } from '../servers.ts';
import { type Damage, damageFile, type FileKind } from './damage.ts';

const WORD_MS_MAX = 1000;
/** Before a server that has ended by itself is started again. */
const RESTART_PAUSE_MS = 300;
const LOG_CHARACTERS_SHOWN = 1500;
const BALLAST_BYTES = 1 << 20;
const SNAPSHOTS_KEPT = 3;

/** Why a server may end by itself. */
export interface Excuse {
  readonly reason: string;
  /** It gets an empty disk before it is started again, as its message advises. */
  readonly needsWiping: boolean;
}

/** A server has ended, and nobody had told it to. */
export interface SelfEnd {
  readonly member: Member;
  readonly exitCode: number | null;
  /** The end of its log. */
  readonly lastWords: string;
  readonly excuse: Excuse | null;
}

export class Member {
  readonly id: number;
  readonly server: Server;
  /** Its data are on a file system of their own, of limited size. */
  readonly smallDisk: string | null;
  /** Holds the offset of its clock; null: it has the machine's. */
  readonly clockFile: string | null;
  excuse: Excuse | null = null;
  /** It may remember digests of a tree that was not the one of the others, and has found wrong ones: it should. */
  wasAltered = false;
  onSelfEnd: (end: SelfEnd) => void = () => {};
  #isWanted = false;
  #launches = 0;

  constructor(id: number, server: Server, smallDisk: string | null, clockFile: string | null) {
    this.id = id;
    this.server = server;
    this.smallDisk = smallDisk;
    this.clockFile = clockFile;
  }

  get address(): string {
    return `${this.server.host}:${this.server.port}`;
  }

  /** Starts it, and again whenever it ends by itself, as a supervisor does. */
  launch(): void {
    if (this.server.alive) {
      return;
    }
    this.#isWanted = true;
    const launch = ++this.#launches;
    this.server.launch();
    void this.server.exited().then(async (exitCode) => {
      const isUnexpected = () => this.#isWanted && launch === this.#launches;
      if (!isUnexpected()) {
        return;
      }
      const { excuse } = this;
      this.onSelfEnd({ member: this, exitCode, lastWords: this.server.log.slice(-LOG_CHARACTERS_SHOWN), excuse });
      await sleep(RESTART_PAUSE_MS);
      if (isUnexpected()) {
        if (excuse?.needsWiping) {
          this.wipe();
        }
        this.launch();
      }
    });
  }

  async kill(): Promise<void> {
    this.#isWanted = false;
    await this.server.kill();
  }

  async terminate(): Promise<void> {
    this.#isWanted = false;
    this.resume();
    await this.server.stop();
  }

  pause(): void {
    this.server.signal('SIGSTOP');
  }

  resume(): void {
    this.server.signal('SIGCONT');
  }

  /** `leader`, `follower`; null while it does not serve. */
  async mode(): Promise<string | null> {
    return /^Mode: (.*)$/m.exec(await this.#word('srvr'))?.[1] ?? null;
  }

  /** The last transaction that it has applied, in hexadecimal; null while it does not serve. */
  async zxid(): Promise<string | null> {
    return /^Zxid: (.*)$/m.exec(await this.#word('srvr'))?.[1] ?? null;
  }

  /** A line of `mntr`. */
  async monitor(key: string): Promise<string | null> {
    return new RegExp(`^zk_${key}\t(.*)$`, 'm').exec(await this.#word('mntr'))?.[1] ?? null;
  }

  #word(word: string): Promise<string> {
    return this.server.word(word, WORD_MS_MAX).catch(() => '');
  }

  // Its disk

  get #directory(): string {
    return join(this.server.dataDirectory, 'version-2');
  }

  #files(prefix: string): { readonly path: string; readonly zxid: bigint }[] {
    return readdirSync(this.#directory)
      .filter((name) => new RegExp(`^${prefix}\\.[0-9a-f]+$`).test(name))
      .map((name) => ({ path: join(this.#directory, name), zxid: BigInt(`0x${name.slice(prefix.length + 1)}`) }))
      .sort((a, b) => (a.zxid < b.zxid ? -1 : 1));
  }

  /** As with a new disk. */
  wipe(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** What nobody needs any more goes, as by autopurge. */
  purge(): void {
    const snapshots = this.#files('snapshot').slice(0, -SNAPSHOTS_KEPT);
    const oldestKept = this.#files('snapshot').at(-SNAPSHOTS_KEPT);
    const logs = this.#files('log').filter(({ zxid }) => oldestKept !== undefined && zxid <= oldestKept.zxid);
    // The last log that begins before the snapshot may go on behind it.
    for (const { path } of [...snapshots, ...logs.slice(0, -1)]) {
      rmSync(path, { force: true });
    }
  }

  /** Says what was done; the process must not run. */
  damage(kind: FileKind, damage: Damage, random: Random): string {
    const file = this.#files(kind).at(-1)?.path;
    this.wasAltered ||= damage === 'altered';
    return file === undefined ? 'nothing to damage' : damageFile(file, damage, random);
  }

  /** Nothing more can be written until `freeDisk`. */
  fillDisk(): void {
    if (this.smallDisk === null) {
      this.#limitFiles('0');
    } else {
      const ballast = openSync(join(this.smallDisk, 'ballast'), 'w');
      try {
        for (;;) {
          writeSync(ballast, Buffer.alloc(BALLAST_BYTES));
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') {
          throw error;
        }
      } finally {
        closeSync(ballast);
      }
    }
  }

  freeDisk(): void {
    if (this.smallDisk === null) {
      this.#limitFiles('unlimited');
    } else {
      rmSync(join(this.smallDisk, 'ballast'), { force: true });
    }
  }

  /** Without a disk of its own to fill: its files must not be longer, which writers hear as EFBIG. */
  #limitFiles(size: '0' | 'unlimited'): void {
    if (this.server.alive) {
      spawnSync('prlimit', ['--pid', String(this.server.pid), `--fsize=${size}:unlimited`]);
    }
  }

  /** What is on a disk that goes away with the run. */
  keepDisk(): void {
    if (this.smallDisk !== null) {
      cpSync(this.server.dataDirectory, join(this.server.directory, 'data-kept'), { recursive: true });
    }
  }

  // Its clock

  /** Seconds that its time of day is ahead of the machine's. */
  setClock(offsetSeconds: number): void {
    if (this.clockFile !== null) {
      writeFileSync(this.clockFile, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`);
    }
  }
}

const mounted = new Set<string>();
process.on('exit', () => {
  for (const directory of mounted) {
    unmountDisk(directory);
  }
});

/** A file system of so many megabytes; null where the machine does not allow it. */
export function mountSmallDisk(directory: string, megabytes: number): string | null {
  mkdirSync(directory, { recursive: true });
  try {
    const type = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none'];
    execFileSync('mount', [...type, directory], { stdio: 'ignore' });
    mounted.add(directory);
    return directory;
  } catch {
    return null;
  }
}

export function unmountDisk(directory: string): void {
  if (mounted.delete(directory)) {
    // Lazily: a killed server may not be gone to the last of its threads.
    execFileSync('umount', ['-l', directory], { stdio: 'ignore' });
  }
}
