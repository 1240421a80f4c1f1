import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { loadTls, type TlsMaterial, type TlsOptions } from '../../src/host/tls.ts';
import { TlsReloader } from '../../src/host/tls-reload.ts';
import { storeText, tlsOptions } from './tls-fixtures.ts';

let folder: string;
let options: TlsOptions;
let reloader: TlsReloader;
let reloaded: TlsMaterial[];
let logged: string[];
let onReload: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'treekeeper-reload-'));
  writeFileSync(join(folder, 'server.pem'), storeText('server.pem'));
  options = tlsOptions({ keyStoreFile: join(folder, 'server.pem') });
  reloaded = [];
  logged = [];
  onReload = () => {};
  const log = {
    info: (message: string) => void logged.push(`info ${message}`),
    warn: (message: string) => void logged.push(`warn ${message}`),
    error: (message: string) => void logged.push(`error ${message}`),
  };
  reloader = new TlsReloader(options, 'ssl', loadTls(options), log, (material) => {
    reloaded.push(material);
    onReload();
  });
});

afterEach(() => {
  reloader.close();
  rmSync(folder, { recursive: true });
});

describe('changed stores', () => {
  test('nothing has changed: nothing happens', () => {
    writeFileSync(join(folder, 'server.pem'), storeText('server.pem'));
    expect(reloader.check()).toBe(false);
    expect(reloaded).toEqual([]);
  });

  test('a new certificate is handed over once', () => {
    writeFileSync(join(folder, 'server.pem'), storeText('client.pem'));
    expect(reloader.check()).toBe(true);
    expect(reloader.check()).toBe(false);
    expect(reloaded).toHaveLength(1);
    expect(reloaded[0].contextOptions.cert).not.toEqual(loadTls(tlsOptions()).contextOptions.cert);
    expect(logged).toEqual(['info ssl: TLS files have changed and are in use for new connections']);
  });

  test('a bad one is told once, and the next good one is taken', () => {
    writeFileSync(join(folder, 'server.pem'), 'half a fi');
    expect(reloader.check()).toBe(false);
    expect(reloader.check()).toBe(false);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^error changed TLS files cannot be used.*ssl\.keyStore\.location=.*no certificate/);
    writeFileSync(join(folder, 'server.pem'), storeText('client.pem'));
    expect(reloader.check()).toBe(true);
  });

  test('back to the old one after a bad one: nothing to hand over, and a bad one is told again', () => {
    for (const content of ['bad', storeText('server.pem'), 'bad']) {
      writeFileSync(join(folder, 'server.pem'), content);
      reloader.check();
    }
    expect(reloaded).toEqual([]);
    expect(logged).toHaveLength(2);
  });

  test('are noticed by themselves, replaced by renaming too', async () => {
    for (const name of ['client.pem', 'server.pem']) {
      const noticed = new Promise<void>((resolve) => {
        onReload = resolve;
      });
      writeFileSync(join(folder, 'new'), storeText(name));
      renameSync(join(folder, 'new'), join(folder, 'server.pem'));
      await noticed;
    }
    expect(reloaded).toHaveLength(2);
  });

  test('are noticed while somebody else writes in their folder all the time', async () => {
    const other = setInterval(() => writeFileSync(join(folder, 'access.log'), 'x'), 10);
    onTestFinished(() => clearInterval(other));
    const noticed = new Promise<void>((resolve) => {
      onReload = resolve;
    });
    writeFileSync(join(folder, 'new'), storeText('client.pem'));
    renameSync(join(folder, 'new'), join(folder, 'server.pem'));
    await noticed;
    expect(reloaded).toHaveLength(1);
  });
});
