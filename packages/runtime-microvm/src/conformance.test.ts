import { after, before } from 'node:test';
import { conformance } from '@berth/runtime/conformance';
import { World } from './testing/world.ts';
import { makeDisk } from '@berth/sys';

let world: World;

before(async () => {
  world = await World.open();
});

after(async () => {
  await world[Symbol.asyncDispose]();
});

conformance({
  name: 'the microvm runtime',
  cannot: [],
  subject: () => ({
    runtime: world.runtime,
    rootfs: world.rootfs,
    nics: [world.nic(1, 10), world.nic(2, 10)],
    disk: (path) => makeDisk(path, 64 << 20),
    reopen: () => world.reopen(),
  }),
});
