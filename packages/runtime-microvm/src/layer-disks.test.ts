import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arrangeLayers } from './layer-disks.ts';
import { joinedDisk } from './qemu/joined-disk.ts';

test('every layer has its place, in the devices there are, and its content is there', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 127 }), fc.integer({ min: 1, max: 16 }), (sectors, slots) => {
      const layers = sectors.map((_, index) => ({ path: `${index}`, diffId: `${index}` }));
      const sizeOf = (path: string) => (sectors[Number(path)] ?? 0) * 512;
      const { disks, places } = arrangeLayers(layers, slots, sizeOf);
      assert.ok(disks.length <= slots);
      assert.deepEqual(disks.flat().sort(), layers.map(({ path }) => path).sort());
      for (const [index, { device, part }] of places.entries()) {
        const disk = disks[device.index] ?? [];
        if (part === undefined) assert.deepEqual(disk, [`${index}`]);
        else {
          const before = disk.slice(0, disk.indexOf(`${index}`)).reduce((sum, path) => sum + sizeOf(path), 0);
          assert.deepEqual(part, { offsetBytes: before, sizeBytes: sizeOf(`${index}`) });
          assert.ok(
            disks.every((other) => other.length > 1 || sizeOf(other[0] ?? '') >= sizeOf(`${index}`)),
            'the small ones share',
          );
        }
      }
    }),
  );
});

test('a joined disk names its files in order, in sectors, and nothing that could end a name', () => {
  const text = joinedDisk(['/a b', '/c'], () => 4096);
  assert.ok(text.includes('\nRW 8 FLAT "/a b" 0\nRW 8 FLAT "/c" 0\n'));
  assert.throws(() => joinedDisk(['/a"b'], () => 4096));
  assert.throws(() => joinedDisk(['/a'], () => 4095));
});
