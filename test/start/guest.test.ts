import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

test('kernel and first file system of the guest are at most 11 MB together', () => {
  const guest = JSON.parse(readFileSync(join(resolve(import.meta.dirname, '../../build/guest'), 'manifest.json'), 'utf8')) as {
    kernel: string;
    initramfs: string;
  };
  const total = statSync(guest.kernel).size + statSync(guest.initramfs).size;
  assert.ok(total <= 11e6, `${total} bytes`);
});
