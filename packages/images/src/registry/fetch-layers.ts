import { shortId } from '@berth/kit';
import type { LayerInput } from '../layer/layer-store.ts';
import type { Progress } from '../port.ts';
import type { Workspace } from '../store/files.ts';
import type { RegistryContext } from './context.ts';
import { withPatience } from './patience.ts';
import type { RemoteImage } from './remote-image.ts';
import type { Repository } from './repository.ts';

/** Finished layers of a broken pull wait so long for its repetition. */
const HELD_MS = 24 * 3600_000;
const COMPLETE = 'Pull complete';

/**
 * Brings the layers of an image into the store, several at a time; the caller has pinned them. A layer that somebody else
 * is fetching is waited for. The first failure ends the others; what had arrived stays for the next attempt.
 */
export async function fetchLayers(
  context: RegistryContext,
  repository: Repository,
  image: RemoteImage,
  workspace: Workspace,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { rows, news } = context;
  using listening = new DisposableStack();
  const complete = new Set<string>();
  const missing = new Map<string, RemoteImage['layers'][number]>();
  for (const layer of image.layers) {
    const { diffId, descriptor } = layer;
    const id = shortId(descriptor.digest);
    if (rows.layer(diffId) !== undefined) progress({ status: 'Already exists', progressDetail: {}, id });
    else if (!missing.has(diffId)) {
      progress({ status: 'Pulling fs layer', progressDetail: {}, id });
      listening.use(
        news.listen(diffId, (status, progressDetail) => {
          // Everybody who waited for it says so.
          if (status === COMPLETE && complete.has(diffId)) return;
          if (status === COMPLETE) complete.add(diffId);
          progress({ status, progressDetail, id });
        }),
      );
      missing.set(diffId, layer);
    }
  }
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const all = [...missing.values()].map((layer) =>
    fetchLayer(context, repository, layer, image.layers.indexOf(layer), workspace, either).catch((error: unknown) => {
      stop.abort(error);
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(all);
  signal?.throwIfAborted();
  // The first to fail, not those that were ended because of it.
  if (outcomes.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
}

async function fetchLayer(
  context: RegistryContext,
  repository: Repository,
  { diffId, descriptor }: RemoteImage['layers'][number],
  position: number,
  workspace: Workspace,
  signal: AbortSignal,
): Promise<void> {
  const { layers, downloads, news, rows, remembered } = context;
  using held = new DisposableStack();
  let file: string | undefined;
  try {
    const input = async (): Promise<LayerInput> => {
      signal.throwIfAborted();
      file = await download(context, repository, diffId, descriptor, signal);
      news.tell(diffId, 'Download complete');
      held.use(await context.unpacking.take(signal));
      return {
        from: { file },
        expected: { diffId, complaint: `diffID for layer ${position}` },
        progressed: (current) => news.tell(diffId, 'Extracting', { current: Math.min(current, descriptor.size), total: descriptor.size }),
        signal,
      };
    };
    await layers.ensure(diffId, input, workspace);
  } catch (error) {
    // When nobody ended it, it is what its digest says, and no layer: nothing would be won by keeping it.
    if (file !== undefined) await downloads.done(file, { keep: signal.aborted });
    throw error;
  }
  if (file !== undefined) await downloads.done(file, { keep: false });
  rows.transaction(() => {
    if (rows.layer(diffId) === undefined) return;
    remembered.hold(diffId, context.now() + HELD_MS);
    remembered.putLayerBlob({
      diff_id: diffId,
      digest: descriptor.digest,
      size_bytes: descriptor.size,
      media_type: descriptor.mediaType ?? '',
      repository: repository.fullName,
    });
  });
  news.tell(diffId, COMPLETE);
}

async function download(
  { downloads, downloading, news, policy }: RegistryContext,
  repository: Repository,
  diffId: string,
  { digest, size }: RemoteImage['layers'][number]['descriptor'],
  signal: AbortSignal,
): Promise<string> {
  using _slot = await downloading.take(signal, () => news.tell(diffId, 'Waiting'));
  const tell = (current: number) => news.tell(diffId, 'Downloading', { current, total: size });
  const path = await withPatience(() => downloads.fetch({ digest, sizeBytes: size }, (offset) => repository.blob(digest, offset, signal), tell, signal), {
    pauseMs: policy.retryPauseMs,
    waiting: (seconds) => news.tell(diffId, `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`),
    signal,
  });
  news.tell(diffId, 'Verifying Checksum');
  return path;
}
