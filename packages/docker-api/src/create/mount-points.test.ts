import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createContainerSchema, hostConfigSchema, readJson } from '@berth/docker-wire';
import type { Engine, MountPoint } from '@berth/engine';
import { Fault } from '@berth/kit';
import { mountsFor } from './mount-points.ts';

const other: MountPoint[] = [
  { type: 'bind', source: '/h', target: '/d', readonly: false, recursive: true, createSource: true, mode: 'Z' },
  { type: 'tmpfs', target: '/t', options: [] },
  {
    type: 'volume',
    name: 'v9',
    target: '/v',
    readonly: false,
    subpath: '',
    copy: true,
    anonymous: true,
    mode: 'z',
    making: { driver: '', options: {}, labels: {} },
  },
];
const engine = {
  container: (name: string) => {
    if (name !== 'other') throw new Fault('not-found', 'container-not-found', `No such container: ${name}`);
    return { definition: { mounts: other } };
  },
} as unknown as Engine;

function mounts(host: Record<string, unknown>, Volumes: readonly string[] = [], image: readonly string[] = []): MountPoint[] {
  const request = createContainerSchema.parse({ Image: 'i', Volumes: Object.fromEntries(Volumes.map((target) => [target, {}])) });
  return mountsFor(request, readJson(hostConfigSchema, JSON.stringify(host)), image, engine);
}

/** `TYPE SOURCE TARGET` and what else is not as usual. */
function words(list: readonly MountPoint[]): string[] {
  return list.map((mount) => {
    if (mount.type === 'tmpfs') return `tmpfs ${mount.target}`;
    const source = mount.type === 'bind' ? mount.source : mount.name === '' ? '-' : mount.name;
    const flags = [mount.readonly ? 'ro' : '', mount.type === 'volume' && !mount.copy ? 'nocopy' : '', mount.mode === '' ? '' : `mode=${mount.mode}`];
    return [mount.type, source, mount.target, ...flags].filter((word) => word !== '').join(' ');
  });
}

test('-v in all its forms', () => {
  const forms: [string, string][] = [
    ['/h:/c', 'bind /h /c'],
    ['/h/../x/:/c/', 'bind /x /c'],
    ['/h:/c:ro', 'bind /h /c ro mode=ro'],
    ['/h:/c:ro,Z,cached', 'bind /h /c ro mode=ro,Z,cached'],
    ['/h:/c:rprivate', 'bind /h /c mode=rprivate'],
    ['name:/c', 'volume name /c mode=z'],
    ['name:/c:nocopy,ro', 'volume name /c ro nocopy mode=nocopy,ro'],
    ['/c', 'volume - /c mode=z'],
    ['/c:ro', 'volume - /c ro mode=ro'],
  ];
  for (const [text, wanted] of forms) assert.deepEqual(words(mounts({ Binds: [text] })), [wanted], text);
  const wrong = ['', ':/c', 'a:b:c:d', '/h:c', '/h:/', '/h:/c:', '/h:/c:nope', '/h:/c:ro,rw', '/h:/c:nocopy', 'name:/c:shared', '/h:/c:ro,ro'];
  for (const text of wrong) assert.throws(() => mounts({ Binds: [text] }), { kind: 'invalid' }, text);
  for (const word of ['shared', 'rshared', 'slave', 'rslave']) assert.throws(() => mounts({ Binds: [`/h:/c:${word}`] }), { kind: 'unsupported' });
});

test('--mount in all its types', () => {
  const one = (mount: Record<string, unknown>) => mounts({ Mounts: [{ Target: '/c', ...mount }] })[0];
  assert.deepEqual(one({ Type: 'bind', Source: '/h', ReadOnly: true, BindOptions: { NonRecursive: true, CreateMountpoint: true } }), {
    type: 'bind',
    source: '/h',
    target: '/c',
    readonly: true,
    recursive: false,
    createSource: true,
    mode: '',
  });
  assert.deepEqual(
    one({ Source: 'vv', VolumeOptions: { NoCopy: true, Subpath: 'a/b', Labels: { l: '1' }, DriverConfig: { Name: 'local', Options: { type: 'block' } } } }),
    {
      type: 'volume',
      name: 'vv',
      target: '/c',
      readonly: false,
      subpath: 'a/b',
      copy: false,
      anonymous: false,
      mode: 'z',
      making: { driver: 'local', options: { type: 'block' }, labels: { l: '1' } },
    },
  );
  assert.deepEqual(words(mounts({ Mounts: [{ Type: 'tmpfs', Target: '/c' }] })), ['tmpfs /c']);
  const wrong: Record<string, unknown>[] = [
    { Type: 'nope' },
    { Type: 'bind' },
    { Type: 'bind', Source: 'relative' },
    { Type: 'bind', Source: '/h', VolumeOptions: {} },
    { Type: 'bind', Source: '/h', BindOptions: { Propagation: 'nope' } },
    { Type: 'volume', Source: 'vv', BindOptions: {} },
    { Type: 'volume', Source: 'vv', VolumeOptions: { Subpath: '../x' } },
    { Type: 'volume', Source: 'vv', VolumeOptions: { Subpath: '/x' } },
    { Type: 'volume', VolumeOptions: { Subpath: 'x' } },
    { Type: 'tmpfs', Source: 'x' },
    { Type: 'volume', Source: 'vv', Target: '' },
    { Type: 'volume', Source: 'vv', Target: 'relative' },
  ];
  for (const mount of wrong) assert.throws(() => one(mount), { kind: 'invalid' }, JSON.stringify(mount));
  for (const type of ['image', 'cluster']) assert.throws(() => one({ Type: type, Source: 'x' }), { kind: 'unsupported' });
  assert.throws(() => one({ Type: 'bind', Source: '/h', BindOptions: { Propagation: 'rshared' } }), { kind: 'unsupported' });
});

test('what is asked for lies over what is inherited, and that over volumes nobody named', () => {
  assert.deepEqual(words(mounts({ VolumesFrom: ['other'] })), ['bind /h /d', 'volume v9 /v nocopy']);
  assert.deepEqual(words(mounts({ VolumesFrom: ['other:ro'] })), ['bind /h /d ro', 'volume v9 /v ro nocopy']);
  assert.deepEqual(words(mounts({ VolumesFrom: ['other'], Binds: ['mine:/d'], Tmpfs: { '/x': '' } }, ['/v', '/own'], ['/own', '/image', '/x'])), [
    'volume mine /d mode=z',
    'tmpfs /x',
    'volume v9 /v nocopy',
    'volume - /own',
    'volume - /image',
  ]);
  assert.throws(() => mounts({ Binds: ['aa:/c', '/h:/c/'] }), { message: 'Duplicate mount point: /c' });
  assert.throws(() => mounts({ Binds: ['aa:/c'], Tmpfs: { '/c': '' } }), { message: 'Duplicate mount point: /c' });
  assert.throws(() => mounts({ VolumesFrom: ['nosuch'] }), { kind: 'invalid', message: 'No such container: nosuch' });
  for (const text of ['', ':ro', 'other:nope', 'other:ro,rw']) assert.throws(() => mounts({ VolumesFrom: [text] }), { kind: 'invalid' }, text);
});
