import { randomUUID } from 'node:crypto';
import { type BuildArguments, commandLine, type RunInstruction, scriptOf } from '@berth/dockerfile';
import type { NewContainer } from '@berth/engine';
import { type Image, TarReader, padding, tarHeader, type TarEntry } from '@berth/images';
import { shortId } from '@berth/kit';
import { commitStep, fromCache } from './commit-step.ts';
import { copyFiles } from './copy-files.ts';
import { buildUnsupported, StepFailed } from './faults.ts';
import { layerOf, LayerWriter } from './layer-writer.ts';
import { mountKey, openMounts, type Shown, shownBy, type StepMounts } from './run-mounts.ts';
import type { StageState } from './stage-state.ts';
import { treeOf } from './trees.ts';
import type { World } from './world.ts';

/** RUN: a container of the image so far; what it has changed when it ends is the layer. */
export async function runStep(world: World, state: StageState, instruction: RunInstruction, given: BuildArguments): Promise<void> {
  const { mounts, network } = instruction;
  if (network !== undefined && network !== 'default' && network !== 'none') {
    throw buildUnsupported(`RUN --network=${network} is not possible with Berth: a step is a virtual machine, which has networks of its own`);
  }
  const script = scriptOf(instruction);
  const args = script === undefined ? commandLine(instruction, state.config.Shell) : [`/dev/pipes/${script.name}`];
  const variables = given.inStage(state.env);
  const visible = variables.filter(([key]) => given.isVisible(key)).map(([key, value]) => `${key}=${value}`);
  const cwd = state.config.WorkingDir || '/';
  const lookup = { cwd, treeOf: async (from: string | undefined) => (from === undefined ? world.context : await treeOf(world, await world.imageNamed(from))) };
  const shown = await shownBy(mounts, lookup);
  const words = [...(visible.length === 0 ? [] : [`|${visible.length}`, ...visible.sort()]), ...args];
  const step = { createdBy: words.join(' '), alsoKey: JSON.stringify([words, script?.content ?? '', network ?? '', await mountKey(mounts, shown)]) };
  if (fromCache(world, state, step)) return;

  const { caches, directory, secrets, signal } = world;
  await using opened = await openMounts(mounts, script, shown, { caches, directory, secrets, signal, ...lookup });
  const image = await imageWith(world, state, shown);
  const env = [...(state.config.Env ?? []), ...variables.map(([key, value]) => `${key}=${value}`), ...opened.env];
  const wanted = world.request.container({ image, args, env, cwd, user: state.config.User ?? '', network: network === 'none' ? 'none' : 'default' });
  await inContainer(world, wanted, opened, args, async (containerId) => {
    const layer = await world.engine.containerLayer(containerId, signal);
    const kept =
      shown.length === 0
        ? layer
        : layerOf(
            without(
              layer,
              shown.map(({ target }) => target.slice(1)),
            ),
          );
    await commitStep(world, state, step, { layer: kept, containerId });
  });
}

/** Runs it to its end and hands over while its machine is there still. It is removed whatever happens. */
async function inContainer(
  world: World,
  wanted: NewContainer,
  { mounts }: StepMounts,
  args: readonly string[],
  ended: (id: string) => Promise<void>,
): Promise<void> {
  const { engine, output, signal } = world;
  signal.throwIfAborted();
  const targets = new Set(mounts.map(({ target }) => target));
  const { id } = await engine.createContainer({
    ...wanted,
    buildStep: true,
    mounts: [...wanted.mounts.filter(({ target }) => !targets.has(target)), ...mounts],
  });
  let done = false;
  try {
    output.text(` ---> Running in ${shortId(id)}\n`);
    const exit = engine.waitContainer(id, 'next-exit', signal);
    exit.catch(() => undefined);
    const attachment = await engine.attachContainer(id, { stdin: false, stdout: true, stderr: true, logs: false, stream: true, signal });
    await engine.startContainer(id);
    for await (const { stream, data } of attachment.output) await output.write(stream, data);
    const { exitCode, error } = await exit;
    signal.throwIfAborted();
    if (exitCode !== 0) throw new StepFailed(args, exitCode, error);
    await ended(id);
    done = true;
  } finally {
    await engine.removeContainer(id, { force: true, volumes: true });
    if (done || world.request.forceRemove) output.text(`Removing intermediate container ${shortId(id)}\n`);
  }
}

/** What is bound from elsewhere lies in a layer of its own below the step's, in an image that nobody else sees for long. */
async function imageWith(world: World, state: StageState, shown: readonly Shown[]): Promise<Image> {
  const { builds } = world.engine.images;
  if (shown.length === 0 && state.image !== undefined) return state.image;
  const tree = await treeOf(world, state.image);
  async function* members(): AsyncGenerator<Buffer> {
    for (const { target, source } of shown) {
      if (source.node.kind === 'directory') yield* hidden(new LayerWriter(tree, 0), target);
      const copying = { instruction: 'COPY', tree, texts: [], owner: undefined, mode: undefined, unpack: false, nowMs: world.nowMs() } as const;
      yield* copyFiles({ ...copying, sources: [source], destination: target });
    }
  }
  const { config, author, image: parent } = state;
  const { owner, signal } = world;
  return await builds.step({
    parent,
    key: `passing-${randomUUID()}`,
    layer: layerOf(members()),
    config,
    createdBy: '',
    author,
    containerId: '',
    owner,
    signal,
  });
}

/** What the image has at the place of a mount is not seen. */
function* hidden(writer: LayerWriter, target: string): Generator<Buffer> {
  const { headers, path } = writer.directory(Buffer.from(target).toString('latin1'), { uid: 0, gid: 0 });
  yield* headers;
  yield* writer.text(`${path}/.wh..wh..opq`, Buffer.alloc(0), 0o644, { uid: 0, gid: 0 });
}

/** The members of a layer but those at or below some paths. */
async function* without(layer: AsyncIterable<Buffer>, paths: readonly string[]): AsyncGenerator<Buffer> {
  const reader = new TarReader(layer);
  const bytes = paths.map((path) => Buffer.from(path).toString('latin1'));
  const dropped = ({ path }: TarEntry) => bytes.some((one) => path.replace(/\/$/, '') === one || path.startsWith(`${one}/`));
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (dropped(entry)) continue;
      yield tarHeader(entry);
      if (entry.kind !== 'file') continue;
      yield* reader.body();
      yield padding(entry.sizeBytes);
    }
  } finally {
    await reader.close();
  }
}
