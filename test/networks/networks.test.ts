import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { besideDockerd } from './beside-dockerd-suite.ts';
import { killed } from './killed-suite.ts';
import { Sides } from './sides.ts';

describe('networks', { timeout: 1200_000 }, () => {
  let sides: Sides | undefined;
  const opened = (): Sides => {
    assert.ok(sides);
    return sides;
  };
  before(
    async () => {
      sides = await Sides.open();
    },
    { timeout: 360_000 },
  );
  after(() => sides?.[Symbol.asyncDispose](), { timeout: 120_000 });

  besideDockerd(opened);
  killed(() => opened().berth);
});
