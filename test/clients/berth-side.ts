import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageBuilder } from '@berth/builder';
import { createDockerApi } from '@berth/docker-api';
import { ContainerEngine } from '@berth/engine';
import { MemoryNetworking } from '@berth/engine/stand-ins';
import { ImageStore } from '@berth/images';
import { FakeRuntime } from '@berth/runtime/fake';
import { Store } from '@berth/store';
import { Berth } from '../berth/index.ts';
import { DockerCli, writeBusyboxImage } from '../oracle/index.ts';

/** The Berth under test, whatever it is. */
export interface BerthSide extends AsyncDisposable {
  readonly docker: DockerCli;
  /** `process`: commands run as processes of this host, over networks that exist in memory only. */
  readonly kind: 'machine' | 'process';
}

/** Both sides are given the same busybox, so that even ids can be compared. */
export async function openBerthSide(): Promise<BerthSide> {
  const given = process.env['BERTH_SOCKET'];
  const side = await (given !== undefined ? givenSide(given) : process.env['BERTH_CLIENTS'] === 'machine' ? machineSide() : processSide());
  const directory = await mkdtemp(join(tmpdir(), 'bt-clients-'));
  try {
    await writeBusyboxImage(join(directory, 'busybox.tar'));
    await side.docker.ok(['load', '-q', '-i', join(directory, 'busybox.tar')]);
    // The daemon's own busybox has lost its name by this; a daemon that was given keeps what it has.
    if (given === undefined) await side.docker.ok(['image', 'prune', '-f']);
  } finally {
    await rm(directory, { recursive: true });
  }
  return side;
}

async function givenSide(socketPath: string): Promise<BerthSide> {
  const configDirectory = await mkdtemp(join(tmpdir(), 'bt-clients-'));
  return {
    docker: new DockerCli({ socketPath, configDirectory }),
    kind: 'machine',
    [Symbol.asyncDispose]: () => rm(configDirectory, { recursive: true }),
  };
}

async function machineSide(): Promise<BerthSide> {
  const berth = await Berth.open();
  return { docker: berth.docker, kind: 'machine', [Symbol.asyncDispose]: () => berth[Symbol.asyncDispose]() };
}

async function processSide(): Promise<BerthSide> {
  const directory = await mkdtemp(join(tmpdir(), 'bt-clients-'));
  const path = (name: string) => join(directory, name);
  const quiet = () => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: (fields: object, message: string) => console.error(message, fields) };
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const store = stack.use(await Store.open({ path: path('state.db') }));
  const images = stack.use(await ImageStore.open({ directory: path('images') }));
  const runtime = stack.use(await FakeRuntime.open({ directory: path('fake') }));
  stack.defer(() => runtime.end());
  const engine = stack.use(
    await ContainerEngine.open({
      name: 'default',
      version: '0.1.0',
      store,
      images,
      networking: new MemoryNetworking(),
      runtimes: [runtime],
      defaultRuntime: 'fake',
      stateDirectory: directory,
      log,
    }),
  );
  const builder = stack.use(await ImageBuilder.open({ engine, directory: path('build') }));
  const api = stack.use(createDockerApi({ engine, builder, log, version: '0.1.0' }));
  const socketPath = path('docker.sock');
  await api.listen(socketPath);
  const owned = stack.move();
  return {
    docker: new DockerCli({ socketPath, configDirectory: path('cli') }),
    kind: 'process',
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
