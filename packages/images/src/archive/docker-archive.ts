import { archiveInvalid } from '../faults.ts';
import { entryPath } from '../layer/entry-path.ts';
import { type ArchivedImage, archivedImage, checkNamedDigest } from './archived-image.ts';
import { dockerManifest, parseDocument } from './documents.ts';
import type { Spool } from './spool.ts';

/** The images of an archive with Docker's `manifest.json`: of every Docker since 1.10, with or without an OCI index beside it. */
export async function readDockerArchive(spool: Spool): Promise<ArchivedImage[]> {
  const manifest = parseDocument(dockerManifest, await spool.document('manifest.json'), 'manifest.json');
  const images: ArchivedImage[] = [];
  for (const item of manifest) {
    const configurationName = entryPath(item.Config).join('/');
    const document = await spool.document(configurationName);
    checkNamedDigest(configurationName, spool.file(configurationName) ?? missing(configurationName));
    const files = item.Layers.map((path) => {
      const name = entryPath(path).join('/');
      const file = spool.file(name) ?? missing(name);
      checkNamedDigest(name, file);
      return file;
    });
    images.push(archivedImage(document, configurationName, files, item.RepoTags));
  }
  return images;
}

function missing(name: string): never {
  throw archiveInvalid(`invalid archive: ${name} is missing`);
}
