import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine, type Machine } from './command-line.ts';

const machine: Machine = {
  name: 'berth.x.1',
  kernel: '/k',
  initramfs: '/i',
  kernelArguments: 'quiet',
  flavor: { memoryMib: 256, vcpus: 1, layerSlots: 3, nics: 2 },
  acceleration: 'tcg',
  ram: { path: '/t/ram', shared: true },
  layers: [
    { path: '/a,b', joined: false },
    { path: '/c', joined: true },
  ],
  disks: [],
  shares: '/v/shares',
  spool: undefined,
  scratch: undefined,
  placeholder: '/p',
  agentFd: 3,
  monitorFd: 4,
  tapFd: undefined,
  incomingFd: undefined,
};
const clone: Machine = { ...machine, ram: { path: '/t/ram', shared: false }, scratch: '/s', spool: '/spool', tapFd: 5, incomingFd: 6 };

const devices = (args: readonly string[]) => args.filter((_, index) => args[index - 1] === '-device').map((device) => device.split(',')[0]);

test('a clone has its template’s devices, in the same order', () => {
  assert.deepEqual(devices(commandLine(clone)), devices(commandLine(machine)));
  assert.equal(devices(commandLine(clone)).filter((device) => device === 'virtio-blk-device').length, 5);
});

test('a clone maps the memory privately, takes in its state, and reads no kernel', () => {
  const args = commandLine(clone);
  assert.ok(args.includes('memory-backend-file,id=mem,size=256M,mem-path=/t/ram,share=off'));
  assert.ok(args.includes('fd:6'));
  assert.ok(!args.includes('-kernel'));
});

test('only the writable layer and the spool can be written, and a comma in a path is one', () => {
  const drives = commandLine(clone).filter((arg) => arg.startsWith('if=none'));
  assert.deepEqual(
    drives.map((drive) => [/file=(.*?),format=(.*?),/.exec(drive)?.slice(1).join(' '), drive.includes('readonly=on')]),
    [
      ['/a,,b raw', true],
      ['/c vmdk', true],
      ['/p raw', true],
      ['/spool raw', false],
      ['/s raw', false],
    ],
  );
});

test('disks of volumes stand right before the spool and the writable layer', () => {
  const drives = commandLine({ ...clone, layers: clone.layers.slice(0, 1), disks: ['/d'] }).filter((arg) => arg.startsWith('if=none'));
  assert.deepEqual(
    drives.map((drive) => /file=(.*?),format=(.*?),/.exec(drive)?.slice(1).join(' ')),
    ['/a,,b raw', '/p raw', '/d raw', '/spool raw', '/s raw'],
  );
});

test('every machine is confined from its first instruction', () => {
  for (const args of [commandLine(machine), commandLine(clone)]) {
    assert.ok(args.includes('on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'));
    assert.ok(args.includes('-nodefaults') && args.includes('-no-user-config') && args.includes('-no-reboot'));
  }
});
