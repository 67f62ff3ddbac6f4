import { shortId } from '@berth/kit';
import type { Progress } from '../port.ts';
import type { RegistryContext } from './context.ts';
import { type Pushable, pushable } from './layer-source.ts';
import { withPatience } from './patience.ts';
import { hostOf, pathOf, type Repository } from './repository.ts';
import type { Uploaded, Uploader } from './upload.ts';

export interface PushedLayer extends Uploaded {
  readonly mediaType: string;
}

/** Brings one layer into a repository, by whichever way is the shortest: it is there, is next door, or is sent. */
export async function pushLayer(
  context: RegistryContext,
  repository: Repository,
  uploader: Uploader,
  diffId: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<PushedLayer> {
  const id = shortId(diffId);
  const tell = (status: string, progressDetail = {}) => progress({ status, progressDetail, id });
  using _slot = await context.uploading.take(signal, () => tell('Waiting'));
  const key = `${repository.fullName} ${diffId}`;
  // Somebody else sends the same: then it is there, or it is our turn.
  for (let before = context.uploads.get(key); before !== undefined; before = context.uploads.get(key)) await before.catch(() => undefined);
  const mine = withPatience(() => bring(context, repository, uploader, diffId, tell), {
    pauseMs: context.policy.retryPauseMs,
    waiting: (seconds) => tell(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`),
    signal,
  });
  context.uploads.set(key, mine);
  try {
    return await mine;
  } finally {
    context.uploads.delete(key);
  }
}

async function bring(
  context: RegistryContext,
  repository: Repository,
  uploader: Uploader,
  diffId: string,
  tell: (status: string, detail?: object) => void,
): Promise<PushedLayer> {
  const { remembered, rows } = context;
  const layer = await pushable(context, diffId);
  const done = (uploaded: Uploaded, status: string) => {
    rows.transaction(() => {
      if (rows.layer(diffId) === undefined) return;
      const { digest, sizeBytes } = uploaded;
      remembered.putLayerBlob({ diff_id: diffId, digest, size_bytes: sizeBytes, media_type: layer.mediaType, repository: repository.fullName });
    });
    tell(status);
    return { ...uploaded, mediaType: layer.mediaType };
  };
  const { known } = layer;
  if (known !== undefined) {
    if (await uploader.has(known.digest)) return done(known, 'Layer already exists');
    const neighbour = neighbourWith(context, repository, diffId, known.digest);
    if (neighbour !== undefined && (await uploader.mount(known.digest, neighbour))) return done(known, `Mounted from ${neighbour}`);
  }
  return done(await send(context, uploader, diffId, layer, tell), 'Pushed');
}

async function send(
  { layers }: RegistryContext,
  uploader: Uploader,
  diffId: string,
  layer: Pushable,
  tell: (status: string, detail?: object) => void,
): Promise<Uploaded> {
  const total = layer.known?.sizeBytes ?? layers.tarBytes(diffId);
  return uploader.blob(
    () => layer.open(),
    undefined,
    (current) => tell('Pushing', { current: Math.min(current, total), total }),
  );
}

/** Another repository of the same registry in which the blob has been seen. */
function neighbourWith({ remembered }: RegistryContext, { fullName }: Repository, diffId: string, digest: string): string | undefined {
  const seen = remembered.layerBlobs(diffId).find((row) => row.digest === digest && row.repository !== fullName && hostOf(row.repository) === hostOf(fullName));
  return seen === undefined ? undefined : pathOf(seen.repository);
}
