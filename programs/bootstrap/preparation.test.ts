import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BENCH_PACKAGES, namesFor, START_PACKAGES, TEST_PACKAGES } from './apt-packages.mjs';
import { demultiplex } from './docker-endpoint.mjs';
import { distribution } from './machine.mjs';
import { missingModules } from './npm.mjs';
import { duration } from './progress.mjs';
import { contentDigest, isCurrent, writeStamp } from './stamp.mjs';

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'bt-prepare-'));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('os-release is read with and without quotes', () => {
  assert.deepEqual(distribution('PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'), {
    id: 'ubuntu',
    version: '24.04',
    name: 'Ubuntu 24.04.1 LTS',
  });
  assert.deepEqual(distribution(''), { id: '', version: '', name: 'an unknown system' });
});

test('every package says why, and a docker client is asked for only where none is', () => {
  for (const list of [START_PACKAGES, TEST_PACKAGES, BENCH_PACKAGES]) for (const entry of list) assert.ok(entry.why.length > 10, entry.name);
  const names = (id: string, version: string, docker: boolean) =>
    namesFor(TEST_PACKAGES, { id, version }, (name) => docker && name === 'docker').map((entry) => entry.name);
  assert.ok(names('debian', '13', false).includes('docker-cli'));
  assert.ok(!names('debian', '13', true).includes('docker-cli'));
  assert.ok(!names('debian', '12', false).includes('docker-cli'));
  assert.ok(!names('ubuntu', '24.04', false).includes('docker-cli'));
});

test('npm packages count as missing by version, and only those that fit this system', () =>
  inFolder((root) => {
    const packages = {
      '': {},
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0' },
      'node_modules/elsewhere': { version: '1.0.0', optional: true, os: ['sunos'] },
      'node_modules/musl': { version: '1.0.0', optional: true, libc: ['musl'] },
      'packages/c': { version: '1.0.0' },
      'node_modules/@x/c': { resolved: 'packages/c', link: true },
    };
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages }));
    assert.deepEqual(missingModules(root), ['a@1.0.0', 'b@2.0.0', '@x/c']);
    for (const name of ['a', 'b', '@x/c']) mkdirSync(join(root, 'node_modules', name), { recursive: true });
    for (const name of ['a', 'b']) writeFileSync(join(root, 'node_modules', name, 'package.json'), '{}');
    const installed = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.9.0' } };
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    assert.deepEqual(missingModules(root), ['b@2.0.0']);
  }));

test('a product is current while its sources and itself are what they were', () =>
  inFolder((root) => {
    mkdirSync(join(root, 'src/deep'), { recursive: true });
    writeFileSync(join(root, 'src/deep/a.c'), 'one');
    const digest = () => contentDigest(root, ['src', 'not-there']);
    const stamp = join(root, 'out/.stamp');
    const product = join(root, 'product');
    const first = digest();
    writeStamp(stamp, first);
    assert.ok(!isCurrent(stamp, first, [product]));
    writeFileSync(product, '');
    assert.ok(isCurrent(stamp, digest(), [product]));
    writeFileSync(join(root, 'src/deep/a.c'), 'two');
    assert.ok(!isCurrent(stamp, digest(), [product]));
    writeFileSync(join(root, 'src/deep/a.c'), 'one');
    assert.ok(isCurrent(stamp, digest(), [product]));
  }));

test('durations and multiplexed output are read by people', () => {
  assert.deepEqual([40, 9_940, 12_300, 65_000, 600_000].map(duration), ['0.0 s', '9.9 s', '12 s', '1 min 05 s', '10 min 00 s']);
  const frame = (stream: number, text: string) => Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
  assert.equal(demultiplex(Buffer.concat([frame(1, 'out '), frame(2, 'err'), Buffer.from([1, 0, 0])])), 'out err');
});
