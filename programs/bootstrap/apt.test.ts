import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { installPackages, missingPackages } from './apt.mjs';
import { Problem } from './problem.mjs';

const wanted = [
  { name: 'qemu-system-x86', why: 'the virtual machine monitor' },
  { name: 'cpio', why: 'packs archives' },
];

/** Runs with tools of the given names replaced by shell scripts. */
async function withTools(tools: Readonly<Record<string, string>>, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bt-apt-'));
  const path = process.env['PATH'];
  try {
    for (const [name, script] of Object.entries(tools)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    process.env['PATH'] = `${folder}:${path}`;
    await work(folder);
  } finally {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true });
  }
}

test('only what dpkg does not call installed is missing', () =>
  withTools({ 'dpkg-query': 'echo "qemu-system-x86 installed"; echo "cpio config-files"; echo "no packages found" >&2; exit 1' }, async () => {
    assert.deepEqual(
      (await missingPackages(wanted)).map((entry) => entry.name),
      ['cpio'],
    );
  }));

test('just the missing packages are asked for, without recommendations', () =>
  withTools({ 'apt-get': `echo "$*" >> "$(dirname "$0")/asked"` }, async (folder) => {
    await installPackages(wanted, () => undefined);
    assert.match(readFileSync(join(folder, 'asked'), 'utf8'), /^update .*\ninstall -y --no-install-recommends .* qemu-system-x86 cpio\n$/);
  }));

for (const [what, said, expected] of [
  ['no network', 'E: Failed to fetch pool/q.deb  Temporary failure resolving', /cannot reach its package servers/],
  ['another apt', 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (apt)', /Another apt or dpkg/],
  ['no space', "E: You don't have enough free space in /var/cache/apt/archives/.", /ran out of disk space/],
  ['no such package', 'E: Unable to locate package qemu-system-x86', /not offered by this machine/],
  ['anything else', 'E: Sub-process returned an error code', /apt ended with 100/],
] as const) {
  test(`apt failing with ${what} gives a sentence and what to do next`, () =>
    withTools({ 'apt-get': `[ "$1" = update ] && exit 0; echo "${said}" >&2; exit 100` }, async () => {
      await assert.rejects(
        installPackages(wanted, () => undefined),
        (error) => error instanceof Problem && expected.test(error.message) && error.advice.length > 0,
      );
    }));
}

test('somebody who is not root is told so at once', () => {
  const bootstrap = join(import.meta.dirname, '../../bootstrap.mjs');
  const result = spawnSync(process.execPath, [bootstrap, 'start'], { uid: 65534, gid: 65534, encoding: 'utf8', timeout: 10_000 });
  assert.equal(result.status, 1, String(result.error ?? result.stderr));
  assert.match(result.stderr, /must be started by root[\s\S]*sudo npm start/);
});
