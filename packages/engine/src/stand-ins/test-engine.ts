import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeRuntime } from '@berth/runtime/fake';
import { Store } from '@berth/store';
import { ContainerEngine } from '../container-engine.ts';
import type { ContainerEngineOptions } from '../engine-options.ts';
import type { NewContainer } from '../port.ts';
import { MemoryImages } from './memory-images.ts';
import { MemoryNetworking } from './memory-networking.ts';

export interface TestEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly runtime: FakeRuntime;
  readonly images: MemoryImages;
  readonly networking: MemoryNetworking;
  readonly store: Store;
  readonly directory: string;
  /** A container of `busybox` that runs a command; what is given replaces the defaults. */
  container(args: readonly string[], changes?: Partial<NewContainer>): NewContainer;
}

const quiet = () => undefined;

/** Opens an engine in `directory`, or in a fresh one; closing it ends all containers and, unless given, deletes the folder. */
export async function openTestEngine(directory?: string, options: Partial<ContainerEngineOptions> = {}): Promise<TestEngine> {
  const folder = directory ?? (await mkdtemp(join(tmpdir(), 'berth-engine-')));
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await Store.open({ path: join(folder, 'state.db') }));
  const runtime = stack.use(await FakeRuntime.open({ directory: join(folder, 'fake') }));
  const images = new MemoryImages();
  const busybox = images.add('busybox:latest', { Cmd: ['sh'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] });
  const networking = new MemoryNetworking();
  const engine = await ContainerEngine.open({
    name: 'default',
    version: '0.1.0',
    store,
    images,
    networking,
    runtimes: [runtime],
    defaultRuntime: 'fake',
    stateDirectory: folder,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    ...options,
  });
  const owned = stack.move();
  return {
    engine,
    runtime,
    images,
    networking,
    store,
    directory: folder,
    container: (args, changes = {}) => ({
      imageId: busybox.id,
      imageReference: 'busybox',
      runtime: '',
      args,
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      user: '',
      additionalGroups: [],
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      hostname: '',
      domainname: '',
      labels: {},
      stopSignal: 15,
      stopTimeoutSeconds: 10,
      init: false,
      readonlyRootfs: false,
      mounts: [],
      rlimits: [],
      sysctls: {},
      capabilities: [],
      noNewPrivileges: false,
      shmBytes: 64 << 20,
      extraHosts: [],
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      ports: [],
      autoRemove: false,
      networks: [{ network: 'bridge', aliases: [] }],
      personality: {},
      ...changes,
    }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await runtime.end();
      await owned.disposeAsync();
      if (directory === undefined) await rm(folder, { recursive: true });
    },
  };
}
