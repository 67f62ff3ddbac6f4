import { rfc3339 } from '@berth/docker-wire';
import type { Image, Images } from '@berth/images';

/** One line of `docker images`. */
export function imageSummary(image: Image, minor: number): Record<string, unknown> {
  const dangling = minor < 43;
  return {
    Containers: -1,
    Created: Math.floor(image.createdAtMs / 1000),
    Id: image.id,
    Labels: image.configuration.config?.Labels ?? null,
    ParentId: image.parentId,
    RepoDigests: image.digests.length === 0 && image.tags.length === 0 && dangling ? ['<none>@<none>'] : image.digests,
    RepoTags: image.tags.length === 0 && dangling ? ['<none>:<none>'] : image.tags,
    SharedSize: -1,
    Size: image.sizeBytes,
    ...(minor < 44 ? { VirtualSize: image.sizeBytes } : {}),
  };
}

const emptyConfig = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

/** `docker image inspect`. */
export function imageInspect(image: Image, minor: number): Record<string, unknown> {
  const { configuration } = image;
  const config = configuration.config ?? {};
  return {
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    ...(minor < 50 ? { Parent: image.parentId } : {}),
    Comment: configuration.comment ?? lastComment(image),
    Created: configuration.created ?? rfc3339(image.createdAtMs),
    ...(minor < 45 ? { Container: configuration.container ?? '' } : {}),
    // Docker says it up to 1.44. docker-compose 1.29 asks in the newest version there is, and makes no container anew without.
    ContainerConfig: { ...emptyConfig, Volumes: config.Volumes ?? null },
    DockerVersion: configuration.docker_version ?? '',
    Author: configuration.author ?? '',
    Config: minor < 50 ? { ...emptyConfig, ...config } : config,
    Architecture: configuration.architecture ?? '',
    ...(configuration.variant === undefined ? {} : { Variant: configuration.variant }),
    Os: configuration.os ?? 'linux',
    Size: image.sizeBytes,
    ...(minor < 44 ? { VirtualSize: image.sizeBytes } : {}),
    GraphDriver: { Data: {}, Name: 'overlayfs' },
    RootFS: { Type: 'layers', Layers: image.layers.map((layer) => layer.diffId) },
    Metadata: { LastTagTime: rfc3339(image.lastTaggedAtMs) },
  };
}

function lastComment(image: Image): string {
  return image.configuration.history?.at(-1)?.comment ?? '';
}

/** `docker history`: the newest step first. The steps of a build that was made here have images, and so ids, of their own. */
export function imageHistory(image: Image, images: Images): Record<string, unknown>[] {
  const ancestors = new Map(images.list().map((one) => [one.id, one]));
  const sizes = image.layers.map((layer) => layer.sizeBytes);
  const steps = image.configuration.history ?? image.layers.map(() => ({}) as NonNullable<Image['configuration']['history']>[number]);
  let layer = 0;
  let made: Image | undefined = image;
  return steps
    .map((step) => ({
      Id: '<missing>',
      Created: step.created === undefined ? 0 : Math.floor(Date.parse(step.created) / 1000) || 0,
      CreatedBy: step.created_by ?? '',
      Tags: null as readonly string[] | null,
      Size: step.empty_layer === true ? 0 : (sizes[layer++] ?? 0),
      Comment: step.comment ?? '',
    }))
    .reverse()
    .map((step) => {
      if (made === undefined) return step;
      const named = { ...step, Id: made.id, Tags: made.tags.length === 0 ? null : made.tags };
      made = ancestors.get(made.parentId);
      return named;
    });
}
