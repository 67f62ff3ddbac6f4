/** The files of containers: Berth and a real dockerd (Debian's 20.10) side by side, with the stock client. */
import { after, before, describe } from 'node:test';
import { commitSuite } from './commit-suite.ts';
import { cpSuite } from './cp-suite.ts';
import { hostileSuite } from './hostile-suite.ts';
import { killedSuite } from './killed-suite.ts';
import { layersSuite } from './layers-suite.ts';
import { Sides } from './sides.ts';
import { statesSuite } from './states-suite.ts';
import { volumesSuite } from './volumes-suite.ts';

describe('the files of containers', { timeout: 940_000 }, () => {
  let opened: Sides;
  const sides = () => opened;
  before(
    async () => {
      opened = await Sides.open();
    },
    { timeout: 360_000 },
  );
  after(() => opened[Symbol.asyncDispose](), { timeout: 120_000 });

  cpSuite(sides);
  statesSuite(sides);
  hostileSuite(sides);
  layersSuite(sides);
  volumesSuite(sides);
  commitSuite(sides);
  killedSuite(sides);
});
