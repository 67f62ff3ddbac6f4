/**
 * Images: a content-addressed store of blobs, squashfs layers made from tar streams, references, leases and garbage
 * collection, and the archive formats people exchange (Docker's and OCI's).
 */
export type * from './port.ts';
