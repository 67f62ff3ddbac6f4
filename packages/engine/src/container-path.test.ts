import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerPath, containerPathName } from './container-path.ts';

test('paths are read as dockerd reads them', () => {
  const cases = [
    ['/a/b', '/a/b', 'b'],
    ['a/b', '/a/b', 'b'],
    ['/a/b/', '/a/b/', 'b'],
    ['/a/b/.', '/a/b/.', '.'],
    ['/a/../b/./c//d', '/b/c/d', 'd'],
    ['/a/..', '/', '/'],
    ['../../x', '/x', 'x'],
    ['/', '/', '/'],
    ['/.', '/.', '.'],
    ['.', '/.', '.'],
    ['./', '/', '/'],
    ['/a/.../b', '/a/.../b', 'b'],
    ['/a/b./', '/a/b./', 'b.'],
  ] as const;
  for (const [given, path, name] of cases) assert.deepEqual([containerPath(given), containerPathName(given)], [path, name], given);
});
