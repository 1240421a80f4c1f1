/** Our recipes against both servers, beside kazoo's, and under kills. */
import { join } from 'node:path';
import { runCase } from '../client/behaviour.ts';
import { type Flavour, Server } from '../servers.ts';
import type { Suite } from '../suite.ts';
import { recipeCases } from './behaviour.ts';
import { contendWithKills } from './kills.ts';
import { contendWithKazoo } from './with-kazoo.ts';

const flavours: readonly Flavour[] = ['treekeeper', 'apache'];

export const recipes: Suite = {
  name: 'recipes',
  summary: '@treekeeper/recipes: their contract against both servers, contending with kazoo, under kill -9 and SIGSTOP',
  async run(options, checks) {
    for (const flavour of flavours) {
      const server = await Server.start({ flavour, directory: join(options.directory, `recipes-${flavour}`) });
      for (const each of recipeCases) {
        await checks.part(`${flavour}: ${each.name}`, () => runCase(each, `127.0.0.1:${server.port}`, flavour));
      }
      await contendWithKazoo(`127.0.0.1:${server.port}`, checks);
      await server.stop();
    }
    await checks.part('kills and pauses', () => contendWithKills(options, checks));
  },
};
