import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileTree, TarReader } from '@berth/images';
import { layerOf } from './layer-writer.ts';
import { pieces, tarOf } from './stand-ins/test-builder.ts';
import { withoutMounts } from './step-layer.ts';

const nothing = () => new FileTree({ kind: 'directory', children: new Map(), entry: undefined, opaque: false }, async function* () {});

test('what a step had mounted leaves nothing in its layer, but for what else came to lie there', async () => {
  const layer = tarOf({
    'cache/': '',
    'bound/f': 'x',
    'run/': '',
    'run/secrets/': '',
    'run/secrets/token': '',
    'a/': '',
    'a/b/': '',
    'a/b/c/': '',
    'a/b/own': 'y',
    made: 'z',
  });
  const places = { tree: nothing(), shown: ['/bound'], mounted: ['/cache', '/run/secrets/token', '/a/b/c'] };
  const kept: string[] = [];
  const reader = new TarReader(layerOf(withoutMounts(pieces(layer), places)));
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) kept.push(entry.path);
  assert.deepEqual(kept, ['a/', 'a/b/', 'a/b/own', 'made']);
});
