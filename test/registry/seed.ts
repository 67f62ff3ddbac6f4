import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@berth/sys';
import { ociArchive, smallTar } from '../../packages/images/src/testing/archives.ts';
import { type NetNamespace, writeBusyboxImage } from '../oracle/index.ts';

/** skopeo inside a namespace, with plain HTTP; what it printed. */
export async function skopeo(netns: NetNamespace, args: readonly string[]): Promise<string> {
  const [command, words] = netns.enter('skopeo', ['--insecure-policy', ...args]);
  return (await run(command, words)).stdout.trim();
}

/** Writes `busybox.tar` and `multi.tar`, the latter with an image each for amd64 and arm64. */
export async function writeSeeds(directory: string): Promise<void> {
  await writeBusyboxImage(join(directory, 'busybox.tar'));
  const type = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ architecture, layer: smallTar(architecture), type }));
  await writeFile(join(directory, 'multi.tar'), ociArchive(platforms));
}

/** Brings the seeds into a registry by a client that is neither Docker's nor Berth's. */
export async function seed(netns: NetNamespace, directory: string, registry: string): Promise<void> {
  const copy = ['copy', '-q', '--dest-tls-verify=false'];
  await skopeo(netns, [...copy, `docker-archive:${join(directory, 'busybox.tar')}`, `docker://${registry}/lib/busybox:1`]);
  await skopeo(netns, [...copy, '--all', `oci-archive:${join(directory, 'multi.tar')}`, `docker://${registry}/multi:latest`]);
}
