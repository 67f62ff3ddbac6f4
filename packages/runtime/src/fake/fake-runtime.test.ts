import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { conformance } from '../conformance/index.ts';
import { FakeRuntime, fakeCannot } from './index.ts';
import { pidsOf } from './process-table.ts';

const directory = mkdtempSync(join(tmpdir(), 'berth-fake-'));
let runtime: FakeRuntime;

before(async () => {
  runtime = await FakeRuntime.open({ directory });
});

after(async () => {
  assert.deepEqual(await runtime.list(), []);
  assert.deepEqual(
    readdirSync(join(directory, 'layers')).flatMap((id) => pidsOf(join(directory, id))),
    [],
  );
  await runtime.end();
  rmSync(directory, { recursive: true });
});

conformance({
  name: 'the fake runtime',
  cannot: fakeCannot,
  subject: () => ({
    runtime,
    rootfs: { layers: [] },
    reopen: async () => {
      await runtime[Symbol.asyncDispose]();
      runtime = await FakeRuntime.open({ directory });
      return runtime;
    },
  }),
});
