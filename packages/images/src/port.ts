import type { Readable } from 'node:stream';
import type { Rootfs } from '@berth/runtime';
import type { ImageBuilds } from './builds/port.ts';
import type { Registries } from './registry/port.ts';

/** The configuration object of an image (OCI image-spec `config.json`, Docker's superset), as stored: verbatim JSON. */
export interface ImageConfiguration {
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly docker_version?: string;
  readonly container?: string;
  readonly config?: ImageProcessDefaults;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly author?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
  readonly [key: string]: unknown;
}

/** Docker's `Config` of an image, with Docker's own field names. */
export interface ImageProcessDefaults {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[] | null;
  readonly [key: string]: unknown;
}

export interface Image {
  /** `sha256:…`, digest of the configuration. */
  readonly id: string;
  readonly configuration: ImageConfiguration;
  /** `name:tag`, familiar form (`busybox:latest`, not `docker.io/library/…`). */
  readonly tags: readonly string[];
  /** `name@sha256:…` of manifests it was pulled by or loaded with. */
  readonly digests: readonly string[];
  /** Sum of the uncompressed layers. */
  readonly sizeBytes: number;
  readonly layers: readonly { readonly diffId: string; readonly sizeBytes: number }[];
  readonly createdAtMs: number;
  readonly lastTaggedAtMs: number;
  /** The image that a build made this one of; '' when none did, or it is gone. */
  readonly parentId: string;
  /** Without a name it is then a step on the way to another image. */
  readonly hasChildren: boolean;
}

/** One line of progress, in Docker's JSON message shape (`{"status":…,"id":…,"progressDetail":…}` or `{"stream":…}`). */
export type Progress = (message: Readonly<Record<string, unknown>>) => void;

export interface Images extends AsyncDisposable {
  readonly registries: Registries;
  readonly builds: ImageBuilds;
  /** By id, id prefix, `name`, `name:tag`, `name@digest`. Fault `image-not-found`: "No such image: NAME:TAG". */
  get(reference: string): Image;
  list(): readonly Image[];
  rootfs(image: Image): Rootfs;
  /**
   * Keeps an image's content from collection while a container uses it. `owner` is the container id; persistent (rows),
   * so that it survives the daemon. `unlease` is idempotent.
   */
  lease(image: Image, owner: string): void;
  unlease(owner: string): void;
  /** What an owner holds, also when it was removed since (`rmi -f` of a stopped container's image): its `rootfs` still works. */
  leased(owner: string): readonly Image[];
  tag(image: Image, reference: string): void;
  /**
   * Docker's rmi. `users` are the containers using images (id → running?). Returns what was untagged and deleted, in order.
   * Faults: `image-in-use` (conflict, Docker's sentence), `image-not-found`.
   */
  remove(
    reference: string,
    options: { force: boolean; prune: boolean; users: readonly { containerId: string; imageId: string; running: boolean }[] },
  ): Promise<({ Untagged: string } | { Deleted: string })[]>;
  /** `docker load`: Docker's and OCI's layout, also several images in one archive. Verifies every digest. */
  load(archive: Readable, options: { progress: Progress; signal?: AbortSignal }): Promise<Image[]>;
  /** `docker save`. Docker's layout with the OCI index beside it, as Docker 25+ writes. */
  save(references: readonly string[], options?: { signal?: AbortSignal }): Readable;
  /** `docker import`: a root file system as tar (plain or compressed) becomes an image of one layer. */
  import(
    archive: Readable,
    options: { reference?: string; message?: string; changes: readonly string[]; platform?: string; signal?: AbortSignal },
  ): Promise<Image>;
  /** `docker commit`: the parent's layers and one more, given as a tar. A layer that has nothing in it is left out. */
  commit(layer: Readable, options: CommitOptions): Promise<Image>;
  /** Removes unleased, unreferenced blobs and leftovers of a crash. Returns bytes freed. */
  collect(): Promise<number>;
  prune(options: {
    danglingOnly: boolean;
    users: readonly { imageId: string }[];
    matches?: (image: Image) => boolean;
  }): Promise<{ deleted: ({ Untagged: string } | { Deleted: string })[]; reclaimedBytes: number }>;
}

export interface CommitOptions {
  readonly parent: Image;
  readonly containerId: string;
  readonly containerConfig: ImageProcessDefaults;
  /** Given with the request; what it leaves open comes from the container's. */
  readonly config?: ImageProcessDefaults;
  readonly author: string;
  readonly comment: string;
  /** Lines of a Dockerfile. */
  readonly changes: readonly string[];
  readonly reference?: string;
  readonly signal?: AbortSignal;
}
