import { archiveInvalid } from '../faults.ts';
import type { ArchivedImage } from './archived-image.ts';
import { readDockerArchive } from './docker-archive.ts';
import { type Platform, readOciArchive } from './oci-archive.ts';
import type { Spool } from './spool.ts';

/** Docker's manifest goes first where both are there, as dockerd does it: it has the names. */
export async function readArchive(spool: Spool, platform: Platform): Promise<ArchivedImage[]> {
  if (spool.file('manifest.json') !== undefined) return readDockerArchive(spool);
  if (spool.file('oci-layout') !== undefined) return readOciArchive(spool, platform);
  if (spool.file('repositories') !== undefined) throw archiveInvalid('invalid archive: images saved by Docker before 1.10 are not supported');
  throw archiveInvalid('invalid archive: does not contain a manifest.json');
}
