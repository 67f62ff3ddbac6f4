import { after, before, describe } from 'node:test';
import { cliSuite } from './cli-suite.ts';
import { dockerodeSuite } from './dockerode-suite.ts';
import { shapesSuite } from './shapes-suite.ts';
import { Sides } from './sides.ts';
import { terminalSuite } from './terminal-suite.ts';

describe('the clients of Docker', { timeout: 900_000 }, () => {
  const sides = new Sides();
  before(() => sides.open(), { timeout: 360_000 });
  after(() => sides[Symbol.asyncDispose](), { timeout: 120_000 });

  cliSuite(sides);
  shapesSuite(sides);
  dockerodeSuite(sides);
  terminalSuite(sides);
});
