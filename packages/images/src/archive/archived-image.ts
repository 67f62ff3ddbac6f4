import { sha256 } from '../digest.ts';
import { archiveInvalid, digestMismatch, platformUnsupported } from '../faults.ts';
import { configuration, parseDocument } from './documents.ts';
import type { SpooledFile } from './spool.ts';

/** An image found in an archive: nothing of it is stored yet, its configuration and file digests are checked. */
export interface ArchivedImage {
  readonly id: string;
  /** Verbatim. */
  readonly configuration: Buffer;
  /** Lowest first; `diffId` is a claim until the layer has been read. */
  readonly layers: readonly { readonly diffId: string; readonly file: SpooledFile }[];
  /** As the archive says them; not parsed. */
  readonly references: readonly string[];
}

/** Checks a configuration against its layers. */
export function archivedImage(data: Buffer, name: string, files: readonly SpooledFile[], references: readonly string[]): ArchivedImage {
  const parsed = parseDocument(configuration, data, name);
  if (parsed.os !== undefined && parsed.os !== '' && parsed.os !== 'linux') {
    throw platformUnsupported(`cannot load ${parsed.os} image on linux`);
  }
  const diffIds = parsed.rootfs.diff_ids;
  if (parsed.rootfs.type !== 'layers') throw archiveInvalid(`invalid archive: ${name}: rootfs is not of type layers`);
  if (diffIds.length !== files.length) {
    throw archiveInvalid(`invalid manifest, layers length mismatch: expected ${files.length}, got ${diffIds.length}`);
  }
  return {
    id: sha256(data),
    configuration: data,
    layers: files.map((file, position) => ({ diffId: diffIds[position] as string, file })),
    references,
  };
}

/** A file whose name says its digest must have it. */
export function checkNamedDigest(name: string, file: SpooledFile): void {
  const hex = /^(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.json)$/.exec(name);
  const expected = hex?.[1] ?? hex?.[2];
  if (expected !== undefined && file.digest !== `sha256:${expected}`) {
    throw digestMismatch(`digest for ${name}`, `sha256:${expected}`, file.digest);
  }
}
