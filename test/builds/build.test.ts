/** Builds: Berth beside a real dockerd's classic builder and Debian's buildah, with the stock client. */
import { after, before, describe, test } from 'node:test';
import { assertSame } from '../files/same.ts';
import { Sides } from '../files/sides.ts';
import { buildahSuite } from './buildah-suite.ts';
import { built } from './building.ts';
import { cases } from './cases.ts';
import { dockerodeSuite } from './dockerode-suite.ts';
import { faultsSuite } from './faults-suite.ts';

describe('builds', { timeout: 800_000 }, () => {
  let opened: Sides;
  const sides = () => opened;
  before(
    async () => {
      process.env['DOCKER_BUILDKIT'] = '0';
      opened = await Sides.open();
    },
    { timeout: 360_000 },
  );
  after(() => opened[Symbol.asyncDispose](), { timeout: 120_000 });

  describe('as the classic builder does', { timeout: 600_000 }, () => {
    for (const [number, one] of cases.entries()) {
      test(one.name, { timeout: 240_000 }, async () => assertSame(await sides().both((side) => built(side, one, number))));
    }
  });

  buildahSuite(sides);
  dockerodeSuite(sides);
  faultsSuite(sides);
});
