/** Media types of Docker's schema 2 and of OCI (image-spec, "Media Types"). */
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const OCI_ZSTD_LAYER = `${OCI_LAYER}+zstd`;

export const MANIFESTS: ReadonlySet<string> = new Set([DOCKER_MANIFEST, OCI_MANIFEST]);
export const INDEXES: ReadonlySet<string> = new Set([DOCKER_LIST, OCI_INDEX]);
export const CONFIGS: ReadonlySet<string> = new Set([DOCKER_CONFIG, OCI_CONFIG]);
/** Layers that may be fetched. Those that must be had from elsewhere ("foreign", "nondistributable") are none of them. */
export const LAYERS: ReadonlySet<string> = new Set([
  DOCKER_LAYER,
  'application/vnd.docker.image.rootfs.diff.tar',
  OCI_LAYER,
  `${OCI_LAYER}+gzip`,
  OCI_ZSTD_LAYER,
]);

export const ACCEPTED = [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].join(', ');
