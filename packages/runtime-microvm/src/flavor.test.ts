import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFault } from '@berth/kit';
import { chooseFlavor, requireRoom, flavorName, guestOverheadMib, MAX_DISKS, MAX_LAYERS } from './flavor.ts';

const host = { layers: 1, emulated: true, hostCpus: 4 };

test('the flavor has room for the limit and the guest beside it, and the next smaller one has not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 6 << 20, max: 100 * 2 ** 30 }), (memoryBytes) => {
      const { memoryMib } = chooseFlavor({ ...host, memoryBytes });
      assert.ok((memoryMib - guestOverheadMib(memoryMib)) * 1048576 >= memoryBytes);
      const smaller = memoryMib / 2;
      if (smaller >= 256) assert.ok((smaller - guestOverheadMib(smaller)) * 1048576 < memoryBytes);
    }),
  );
});

test('without limits: one gibibyte, one processor under emulation', () => {
  assert.equal(flavorName(chooseFlavor(host)), '1024m-1c-5l');
  assert.equal(chooseFlavor({ ...host, memoryBytes: 0, cpus: 0 }).memoryMib, 1024);
});

test('a fraction of a processor rounds up, and never above what the host has', () => {
  assert.equal(chooseFlavor({ ...host, cpus: 0.5 }).vcpus, 1);
  assert.equal(chooseFlavor({ ...host, cpus: 1.5 }).vcpus, 2);
  assert.equal(chooseFlavor({ ...host, cpus: 3 }).vcpus, 4);
  assert.equal(chooseFlavor({ ...host, cpus: 64 }).vcpus, 4);
  assert.equal(chooseFlavor({ ...host, hostCpus: 3, cpus: 3 }).vcpus, 3);
});

test('every number of layers and disks up to the most has room, with the devices within what the machine offers', () => {
  for (let layers = 0; layers <= MAX_LAYERS; layers++) {
    for (let disks = 0; disks <= MAX_DISKS; disks++) {
      const flavor = chooseFlavor({ ...host, layers, disks });
      assert.ok(flavor.layerSlots - disks >= Math.min(layers, 1));
      // Port, balloon, writable layer, spool and shares are the other five of the 24 places.
      assert.ok(flavor.layerSlots + flavor.nics + 5 <= 24);
    }
  }
  assert.equal(chooseFlavor({ ...host, layers: 60 }).layerSlots, 5, 'layers share');
  const memoryBytes = 190 << 20;
  assert.equal(chooseFlavor({ ...host, memoryBytes }).memoryMib, 256);
  assert.equal(chooseFlavor({ ...host, memoryBytes, layers: 60 }).memoryMib, 512, 'and take memory');
});

test('what no machine can hold is refused', () => {
  assert.throws(
    () => chooseFlavor({ ...host, layers: MAX_LAYERS + 1 }),
    (error) => isFault(error, 'too-many-layers'),
  );
  assert.throws(
    () => chooseFlavor({ ...host, disks: MAX_DISKS + 1 }),
    (error) => isFault(error, 'too-many-disks'),
  );
  assert.throws(
    () => chooseFlavor({ ...host, memoryBytes: 2 ** 40 }),
    (error) => isFault(error, 'flavor-missing'),
  );
});

test('a running machine takes the limits it has room for, and says how much that is', () => {
  const flavor = chooseFlavor({ memoryBytes: 100 << 20, layers: 1, emulated: true, hostCpus: 4 });
  requireRoom(flavor, { memoryBytes: 150 << 20, cpus: 0.5 });
  requireRoom(flavor, {});
  assert.throws(() => requireRoom(flavor, { memoryBytes: 400 << 20 }), {
    code: 'flavor-too-small',
    message: /has 256 MiB, with room for a limit of 194 MiB, not of 400 MiB/,
  });
  assert.throws(() => requireRoom(flavor, { cpus: 2 }), { code: 'flavor-too-small', message: /has 1 CPU, not 2/ });
});
