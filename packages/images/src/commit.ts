import { applyChanges } from './changes/apply-changes.ts';
import { sha256 } from './digest.ts';
import { imageNotFound, referenceInvalid } from './faults.ts';
import type { LayerStore } from './layer/layer-store.ts';
import type { CommitOptions, Image, ImageConfiguration, ImageProcessDefaults } from './port.ts';
import { parseNamed, withDefaultTag } from './reference.ts';
import type { Files } from './store/files.ts';
import type { Rows } from './store/rows.ts';
import { END_OF_ARCHIVE } from './tar/tar-writer.ts';

interface CommitContext extends CommitOptions {
  readonly files: Files;
  readonly rows: Rows;
  readonly layers: LayerStore;
  readonly now: () => number;
}

const EMPTY_LAYER = sha256(END_OF_ARCHIVE);

/** `docker commit`: an image of another's layers and one more. Everything that can be refused is refused before the layer is read. */
export async function commitLayer(layer: AsyncIterable<Buffer>, context: CommitContext): Promise<Image> {
  const { parent, rows, layers } = context;
  const reference = context.reference === undefined ? undefined : withDefaultTag(parseNamed(context.reference));
  if (reference?.digest !== undefined) throw referenceInvalid('cannot commit to digest reference');
  const defaults = withMissing(applyChanges(context.config ?? context.containerConfig, context.changes), context.containerConfig);

  const below = parent.layers.map(({ diffId }) => diffId);
  using _below = layers.pin(below);
  await using workspace = await context.files.workspace();
  const { diffId, pinned } = await layers.add(layer, workspace, context.signal);
  using _pinned = pinned;
  const empty = diffId === EMPTY_LAYER;
  const diffIds = empty ? below : [...below, diffId];
  const nowMs = context.now();
  const configuration = Buffer.from(JSON.stringify(configurationOf(context, defaults, diffIds, empty, nowMs)));
  const id = sha256(configuration);
  rows.transaction(() => {
    rows.putImage(id, configuration, diffIds, nowMs);
    if (reference !== undefined) rows.putTag(reference.name, reference.tag ?? 'latest', id, nowMs);
  });
  const image = rows.image(id);
  if (image === undefined) throw imageNotFound(id);
  return image;
}

function configurationOf(context: CommitOptions, config: ImageProcessDefaults, diffIds: readonly string[], empty: boolean, nowMs: number): ImageConfiguration {
  const { architecture, os, variant, history = [] } = context.parent.configuration;
  const created = new Date(nowMs).toISOString();
  const { author, comment } = context;
  const step = {
    created,
    created_by: (context.containerConfig.Cmd ?? []).join(' '),
    ...(author === '' ? {} : { author }),
    ...(comment === '' ? {} : { comment }),
    ...(empty ? { empty_layer: true } : {}),
  };
  return {
    ...(architecture === undefined ? {} : { architecture }),
    ...(author === '' ? {} : { author }),
    config,
    container: context.containerId,
    created,
    history: [...history, step],
    ...(os === undefined ? {} : { os }),
    rootfs: { type: 'layers', diff_ids: [...diffIds] },
    ...(variant === undefined ? {} : { variant }),
  };
}

/** What a configuration given with the request leaves open comes from the container, as dockerd does it. */
function withMissing(config: ImageProcessDefaults, container: ImageProcessDefaults): ImageProcessDefaults {
  const nameOf = (pair: string) => pair.slice(0, pair.indexOf('=') < 0 ? undefined : pair.indexOf('='));
  const named = new Set((config.Env ?? []).map(nameOf));
  const env = [...(config.Env ?? []), ...(container.Env ?? []).filter((pair) => !named.has(nameOf(pair)))];
  const entrypoint = config.Entrypoint ?? container.Entrypoint ?? null;
  const cmd = (config.Entrypoint ?? []).length === 0 && (config.Cmd ?? []).length === 0 ? container.Cmd : config.Cmd;
  return {
    ...config,
    User: config.User || container.User || '',
    Env: env.length === 0 ? null : env,
    Entrypoint: entrypoint,
    Cmd: cmd ?? null,
    WorkingDir: config.WorkingDir || container.WorkingDir || '',
    Labels: { ...container.Labels, ...config.Labels },
    Volumes: joined(container.Volumes, config.Volumes),
    ...(joined(container.ExposedPorts, config.ExposedPorts) === null ? {} : { ExposedPorts: joined(container.ExposedPorts, config.ExposedPorts) }),
  };
}

function joined(below: Readonly<Record<string, object>> | null | undefined, above: Readonly<Record<string, object>> | null | undefined) {
  const all = { ...below, ...above };
  return Object.keys(all).length === 0 ? null : all;
}
