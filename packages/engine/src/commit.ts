import { Readable } from 'node:stream';
import type { Image } from '@berth/images';
import { bounded } from './bounded.ts';
import type { Container } from './container.ts';
import type { Deps } from './deps.ts';
import { emitContainer } from './emit.ts';
import { holdFiles } from './files.ts';
import type { CommitRequest } from './port.ts';
import { toTar } from './tar-pieces.ts';

/**
 * An image of the container's own, with what it has changed as one more layer. Frozen meanwhile, but the row goes on saying
 * that it runs: whoever finds it after a crash lets it go on.
 */
export async function commitContainer(deps: Deps, container: Container, request: CommitRequest): Promise<Image> {
  const { pause, signal, ...options } = request;
  await using held = await holdFiles(deps, container, signal);
  const [leased] = deps.images.leased(container.id);
  const parent = leased ?? deps.images.get(container.definition.imageId);
  const thaw = pause ? await freeze(deps, container) : async () => undefined;

  async function* layer(): AsyncGenerator<Buffer> {
    try {
      yield* toTar(held.files.layer({ signal: held.signal }), '');
    } finally {
      await thaw();
    }
  }

  try {
    const stream = Readable.from(layer(), { objectMode: false, highWaterMark: 1 << 20 });
    const image = await deps.images.commit(stream, { parent, containerId: container.id, signal: held.signal, ...options });
    emitContainer(deps, container, 'commit', { comment: request.comment, imageID: image.id, imageRef: request.reference ?? '' });
    return image;
  } finally {
    await thaw();
  }
}

/** Gives what lets it go on, once. */
async function freeze(deps: Deps, container: Container): Promise<() => Promise<void>> {
  const run = container.current;
  const frozen = await container.serial.run(async () => {
    if (run === undefined || container.current !== run || container.state.phase !== 'running') return false;
    await bounded(run.running.pause(), deps.limits.callMs, 'freezing');
    emitContainer(deps, container, 'pause');
    return true;
  });
  let thawed = !frozen;
  return async () => {
    if (thawed) return;
    thawed = true;
    await container.serial.run(async () => {
      // Paused by somebody else meanwhile: then it stays so.
      if (run === undefined || container.current !== run || container.state.phase === 'paused') return;
      await bounded(run.running.unpause(), deps.limits.callMs, 'thawing').catch((error: unknown) =>
        deps.log.error({ err: error, container: container.id }, 'a committed container could not be thawed'),
      );
      emitContainer(deps, container, 'unpause');
    });
  };
}
