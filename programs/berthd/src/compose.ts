import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageBuilder } from '@berth/builder';
import { createDockerApi } from '@berth/docker-api';
import { ContainerEngine } from '@berth/engine';
import type { Guest } from '@berth/guest';
import { buildLocalImages, ImageStore } from '@berth/images';
import { Fault } from '@berth/kit';
import { HostNetworking } from '@berth/network';
import type { RuntimeFacts } from '@berth/runtime';
import { MicrovmRuntime } from '@berth/runtime-microvm';
import { Store } from '@berth/store';
import { BoundedFile } from './bounded-file.ts';
import type { DaemonFacts } from './facts-file.ts';
import type { Logger } from './log.ts';
import type { BerthdOptions } from './options.ts';

const TRACE_LIMIT_BYTES = 2 << 20;

/** The running whole. Disposing gives back everything in reverse order; containers keep running. */
export interface Composition extends AsyncDisposable {
  runtimeFacts(): Pick<DaemonFacts, 'acceleration' | 'verdict' | 'warnings'>;
}

export interface ComposeContext {
  readonly log: Logger;
  /** What takes long, for whoever waits. */
  readonly progress: (doing: string) => void;
  readonly signal: AbortSignal;
}

/** The one place where adapters are constructed and meet: rows, images, networks, virtual machines, engine, endpoint. */
export async function compose(options: BerthdOptions, facts: DaemonFacts, { log, progress, signal }: ComposeContext): Promise<Composition> {
  const guest = readGuest(options.guestDirectory);
  const state = (name: string) => join(options.stateDirectory, name);
  await using stack = new AsyncDisposableStack();

  const traces = new BoundedFile(state('trace.jsonl'), TRACE_LIMIT_BYTES);
  stack.defer(() => traces.close());
  progress('opening the state');
  const store = stack.use(await Store.open({ path: state('state.db') }));
  const images = stack.use(
    await ImageStore.open({ directory: state('images'), log: log.child({ part: 'images' }), registries: options.registries }, { signal }),
  );
  const networking = stack.use(
    await HostNetworking.open({ prefix: options.prefix, runDirectory: options.runDirectory, log: log.child({ part: 'network' }) }, { signal }),
  );
  const runtimeLog = log.child({ part: 'microvm' });
  const runtime = stack.use(
    await MicrovmRuntime.open(
      {
        stateDirectory: state('microvm'),
        runDirectory: join(options.runDirectory, 'vm'),
        prefix: options.prefix,
        guest,
        acceleration: options.acceleration,
        pool: {
          ...(options.poolSize === undefined ? {} : { size: options.poolSize }),
          ...(options.reserveMib === undefined ? {} : { reserveBytes: options.reserveMib * 2 ** 20 }),
        },
        log: (level, message) => runtimeLog[level](message),
        progress,
        onTrace: (trace) => traces.write(`${JSON.stringify(trace)}\n`),
      },
      { signal },
    ),
  );
  progress('making the first images');
  await buildLocalImages(images, { signal });
  progress('taking up what runs');
  const served = Promise.withResolvers<void>();
  const engine = stack.use(
    await ContainerEngine.open(
      {
        name: 'default',
        version: facts.version,
        store,
        images,
        networking,
        runtimes: [runtime],
        defaultRuntime: runtime.name,
        stateDirectory: options.stateDirectory,
        endpoint: { path: facts.socket, served: served.promise },
        log: log.child({ part: 'engine' }),
      },
      { signal },
    ),
  );
  // Bridges and rules serve containers that outlive the daemon. Where none runs, a stopped Berth leaves nothing on the host.
  stack.defer(async () => {
    if (engine.containers().every(({ state: { pid } }) => pid === 0)) await networking.erase();
  });
  const builder = stack.use(await ImageBuilder.open({ engine, directory: join(options.runDirectory, 'build') }));
  const api = stack.use(
    createDockerApi({
      engine,
      builder,
      log: log.child({ part: 'docker' }),
      version: facts.version,
      commit: facts.commit,
      logDefaults: { driver: options.logDriver, options: options.logOptions },
    }),
  );
  await api.listen(facts.socket);
  served.resolve();

  const owned = stack.move();
  return {
    runtimeFacts: () => plain(runtime.describe()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function plain({ acceleration, verdict, warnings }: RuntimeFacts): Pick<DaemonFacts, 'acceleration' | 'verdict' | 'warnings'> {
  return { acceleration, verdict, warnings };
}

/** Fault `guest-missing` when it has not been built. */
function readGuest(directory: string): Guest {
  const manifest = join(directory, 'manifest.json');
  if (!existsSync(manifest)) throw new Fault('unavailable', 'guest-missing', `${directory} holds no guest: npm start builds it`);
  return JSON.parse(readFileSync(manifest, 'utf8')) as Guest;
}
