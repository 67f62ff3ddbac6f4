import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Fault } from '@berth/kit';
import type { CommitOptions, Image, ImageBuilds, ImageConfiguration, Images, Registries } from '@berth/images';
import type { Rootfs } from '@berth/runtime';

/** Images that are only names; leases are remembered, so that tests can see what is left. */
export class MemoryImages implements Images {
  readonly registries: Registries = {
    settings: { mirrors: [], insecure: [] },
    pull: refuse,
    push: refuse,
    logIn: refuse,
    search: refuse,
    describe: refuse,
  };
  readonly builds: ImageBuilds = {
    cached: () => undefined,
    step: refuse,
    forget: async () => undefined,
    tree: refuse,
    archive: refuse,
  };
  readonly #images = new Map<string, Image>();
  readonly leases = new Map<string, string>();

  /** Makes an image of a tag; the same tag gives the same id. */
  add(tag: string, config: ImageConfiguration['config'] = {}): Image {
    const id = `sha256:${createHash('sha256').update(tag).digest('hex')}`;
    const configuration: ImageConfiguration = {
      architecture: 'amd64',
      os: 'linux',
      created: '2026-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [] },
    };
    const image: Image = {
      id,
      configuration,
      tags: [tag.includes(':') ? tag : `${tag}:latest`],
      digests: [],
      sizeBytes: 0,
      layers: [],
      createdAtMs: 0,
      lastTaggedAtMs: 0,
      parentId: '',
      hasChildren: false,
    };
    this.#images.set(id, image);
    return image;
  }

  get(reference: string): Image {
    const named = reference.includes(':') ? reference : `${reference}:latest`;
    for (const image of this.#images.values()) {
      if (image.id === reference || image.tags.includes(named) || image.id.startsWith(`sha256:${reference}`)) return image;
    }
    throw new Fault('not-found', 'image-not-found', `No such image: ${named}`);
  }

  list(): readonly Image[] {
    return [...this.#images.values()];
  }

  rootfs(_image: Image): Rootfs {
    return { layers: [] };
  }

  lease(image: Image, owner: string): void {
    this.leases.set(owner, image.id);
  }

  unlease(owner: string): void {
    this.leases.delete(owner);
  }

  leased(owner: string): readonly Image[] {
    return [...this.#images.values()].filter((image) => image.id === this.leases.get(owner));
  }

  tag(): void {
    throw absent();
  }

  async remove(): Promise<never> {
    throw absent();
  }

  async load(): Promise<never> {
    throw absent();
  }

  save(): Readable {
    throw absent();
  }

  async import(): Promise<never> {
    throw absent();
  }

  /** The layer is read and forgotten. */
  async commit(layer: Readable, options: CommitOptions): Promise<Image> {
    for await (const _piece of layer);
    return this.add(options.reference ?? `committed/${options.containerId.slice(0, 12)}`, options.config ?? options.containerConfig);
  }

  async collect(): Promise<number> {
    return 0;
  }

  async prune(): Promise<{ deleted: never[]; reclaimedBytes: number }> {
    return { deleted: [], reclaimedBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function refuse(): Promise<never> {
  throw absent();
}

function absent(): Fault {
  return new Fault('unsupported', 'stand-in', 'the stand-in for images has no content');
}
