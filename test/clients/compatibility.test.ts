import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { compatibilityDocument, documentPath } from './compatibility.ts';

test('docs/docker-compatibility.md says what the tables say', async () => {
  const written = await readFile(documentPath, 'utf8');
  assert.ok(written === compatibilityDocument(), 'it is out of date: node test/clients/compatibility.ts writes it');
});
