/**
 * Images: a content-addressed store of blobs, squashfs layers made from tar streams, references, leases and garbage
 * collection, and the archive formats people exchange (Docker's and OCI's).
 */
export type * from './port.ts';
export { BUILD_OWNER, type BuildStep, type ImageBuilds } from './builds/port.ts';
export { isInternalAddress, InternalAddressError, publicLookup } from './registry/internal-address.ts';
export { FileTree, type Member, type Place } from './builds/file-tree.ts';
export type { DirectoryNode, FileNode, Inode } from './layer/layer-tree.ts';
export type * from './registry/port.ts';
export type { Credentials } from './registry/credentials.ts';
export type { RegistrySettings } from './registry/settings.ts';
export { ImageStore, type ImageStoreOptions } from './image-store.ts';
export type { Limits } from './limits.ts';
export { buildLocalImages } from './local/build-local-images.ts';
export { plainTar } from './layer/compression.ts';
export { TarReader } from './tar/tar-reader.ts';
export { END_OF_ARCHIVE, padding, tarHeader } from './tar/tar-writer.ts';
export type { TarEntry, TarKind } from './tar/tar-entry.ts';
