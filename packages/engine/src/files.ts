import type { ContainerFiles, FileChange } from '@berth/runtime';
import { abortable, isFault } from '@berth/kit';
import { bounded } from './bounded.ts';
import type { Container } from './container.ts';
import { containerPath, containerPathName } from './container-path.ts';
import { type Deps, runtimeOf } from './deps.ts';
import { emitContainer } from './emit.ts';
import { fileNotFound, filesRemoving, rootReadOnly, volumeOutOfReach, volumeReadOnly } from './faults.ts';
import { isAlive } from './lifecycle.ts';
import type { PathStat, WriteArchiveOptions } from './port.ts';
import { isDisk, restingMounts } from './volumes/mounts.ts';
import type { MountPoint } from './volumes/port.ts';
import { fromTar, toTar } from './tar-pieces.ts';

/** A container's files, held for one request. */
export interface HeldFiles extends AsyncDisposable {
  readonly files: ContainerFiles;
  /** Aborted when the client goes, the container is removed or the engine closes. */
  readonly signal: AbortSignal;
}

/** `volume`: the request is about what is in one. Faults: `removing`, and those of `restingMounts`. */
export async function holdFiles(deps: Deps, container: Container, signal?: AbortSignal, volume?: MountPoint): Promise<HeldFiles> {
  const { phase } = container.state;
  if (container.gone || container.removing || phase === 'removing' || phase === 'dead') throw filesRemoving(container.name);
  const use = container.filesInUse.begin(signal === undefined ? [deps.closing] : [deps.closing, signal]);
  try {
    const { memoryBytes, cpus, imageId } = container.definition;
    const request = {
      id: container.id,
      ...(volume === undefined || isAlive(phase) ? {} : { mounts: await restingMounts(deps, container) }),
      rootfs: deps.images.rootfs(deps.images.leased(container.id)[0] ?? deps.images.get(imageId)),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cpus === undefined ? {} : { cpus }),
      ...(container.definition.buildStep === true ? { oneOff: true } : {}),
    };
    const files = await bounded(runtimeOf(deps, container).files(request), deps.limits.startMs, "reaching the container's files");
    return {
      files,
      signal: use.signal,
      [Symbol.asyncDispose]: async () => {
        await files[Symbol.asyncDispose]();
        use.release();
      },
    };
  } catch (error) {
    use.release();
    throw error;
  }
}

/** The bytes of a tar, and the files are held until its end. */
async function* heldUntilRead(held: HeldFiles, tar: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  await using _ = held;
  yield* tar;
}

/** The volume a path leads into, as far as its name tells. Fault `volume-out-of-reach`: a disk that is mounted nowhere now. */
function volumeAt(deps: Deps, container: Container, path: string): Exclude<MountPoint, { type: 'tmpfs' }> | undefined {
  const found = container.definition.mounts
    .filter((mount) => mount.type !== 'tmpfs')
    .filter(({ target }) => path === target || path.startsWith(`${target}/`))
    .sort((a, b) => b.target.length - a.target.length)[0];
  if (found?.type === 'volume' && isDisk(deps, found) && !isAlive(container.state.phase)) throw volumeOutOfReach(path, found.target, container.name);
  return found;
}

export async function statPath(deps: Deps, container: Container, reference: string, path: string): Promise<PathStat> {
  const target = containerPath(path);
  await using held = await holdFiles(deps, container, undefined, volumeAt(deps, container, target));
  const stat = await bounded(inDockersWords(held.files.stat(target), path, reference), deps.limits.callMs, 'looking at a file');
  return { ...stat, name: containerPathName(path) };
}

export async function readArchive(deps: Deps, container: Container, reference: string, path: string, signal: AbortSignal) {
  const target = containerPath(path);
  const held = await holdFiles(deps, container, signal, volumeAt(deps, container, target));
  try {
    const { stat, pieces } = await inDockersWords(held.files.read(target, { signal: held.signal }), path, reference);
    emitContainer(deps, container, 'archive-path');
    const name = containerPathName(path);
    const tar = toTar(pieces, Buffer.from(name).toString('latin1'));
    return { stat: { ...stat, name }, tar: heldUntilRead(held, tar) };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

export async function writeArchive(
  deps: Deps,
  container: Container,
  reference: string,
  path: string,
  archive: AsyncIterable<Buffer>,
  options: WriteArchiveOptions,
): Promise<void> {
  const target = containerPath(path);
  const volume = volumeAt(deps, container, target);
  await using held = await holdFiles(deps, container, options.signal, volume);
  if (volume?.readonly === true) throw volumeReadOnly();
  if (volume === undefined && container.definition.readonlyRootfs) {
    await inDockersWords(held.files.stat(target), path, reference);
    throw rootReadOnly();
  }
  const user = container.definition.user;
  const owner = options.copyUidGid && user !== '' ? { owner: user } : {};
  const writing = held.files.write(target, fromTar(untilAborted(archive, held.signal), target), {
    keepKinds: options.noOverwriteDirNonDir,
    signal: held.signal,
    ...owner,
  });
  await inDockersWords(writing, path, reference);
  emitContainer(deps, container, 'extract-to-dir');
}

export async function containerChanges(deps: Deps, container: Container): Promise<readonly FileChange[]> {
  await using held = await holdFiles(deps, container);
  const changes = await bounded(held.files.changes(), deps.limits.startMs, 'looking for changes');
  return changes.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export async function exportContainer(deps: Deps, container: Container, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
  const held = await holdFiles(deps, container, signal);
  try {
    const { pieces } = await held.files.read('/', { withoutManaged: true, signal: held.signal });
    emitContainer(deps, container, 'export');
    return heldUntilRead(held, toTar(withoutRoot(pieces), ''));
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

export async function containerLayer(deps: Deps, container: Container, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
  const held = await holdFiles(deps, container, signal);
  return heldUntilRead(held, toTar(held.files.layer({ signal: held.signal }), ''));
}

/** The root itself has no name in an export. */
async function* withoutRoot<T extends { readonly type: string; readonly entry?: { readonly path: string } }>(pieces: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const piece of pieces) if (piece.type !== 'entry' || piece.entry?.path !== '') yield piece;
}

/** Doesn't wait for what a client has yet to send. */
async function* untilAborted(source: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  for (;;) {
    const next = await abortable(chunks.next(), signal);
    if (next.done === true) return;
    yield next.value;
  }
}

async function inDockersWords<T>(work: Promise<T>, path: string, reference: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isFault(error, 'file-not-found')) throw fileNotFound(path, reference);
    throw error;
  }
}
