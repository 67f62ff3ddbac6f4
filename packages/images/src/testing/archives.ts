import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Fault, isFault } from '@berth/kit';
import { ImageStore, type ImageStoreOptions } from '../image-store.ts';
import { RootfsTar } from '../local/rootfs-tar.ts';

/** A store of its own, closed and deleted at the end, when nothing unfinished may lie in it. */
export async function openStore(context: TestContext, options: Partial<ImageStoreOptions> = {}): Promise<ImageStore> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'));
  const store = await ImageStore.open({ directory, ...options });
  context.after(async () => {
    await store[Symbol.asyncDispose]();
    const left = await readdir(join(directory, 'incoming'));
    await rm(directory, { recursive: true });
    assert.deepEqual(left, [], 'unfinished files were left');
  });
  return store;
}

export const digest = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
export const stream = (data: Buffer) => Readable.from([data]);
export const silent = { progress: () => undefined };

export function smallTar(text: string): Buffer {
  return new RootfsTar().directory('etc').file('etc/text', text).end();
}

export function fault(code: string, message?: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isFault(error, code), `${(error as Fault).code}: ${(error as Error).message}`);
    if (typeof message === 'string') assert.equal(error.message, message);
    if (message instanceof RegExp) assert.match(error.message, message);
    return true;
  };
}

export interface Draft {
  readonly layers: readonly Buffer[];
  readonly tags?: readonly string[] | null;
  readonly config?: object;
}

export function configurationOf(layers: readonly Buffer[], more: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${digest(layer)}`) },
      ...more,
    }),
  );
}

/** As Docker before 25 wrote it. */
export function dockerArchive(images: readonly Draft[]): Buffer {
  const tar = new RootfsTar();
  const manifest = images.map(({ layers, tags = null, config }, number) => {
    const configuration = configurationOf(layers, config);
    const name = `${digest(configuration)}.json`;
    tar.file(name, configuration);
    const paths = layers.map((layer, position) => {
      tar.file(`layer${number}-${position}/layer.tar`, layer);
      return `layer${number}-${position}/layer.tar`;
    });
    return { Config: name, RepoTags: tags, Layers: paths };
  });
  return tar.file('manifest.json', JSON.stringify(manifest)).end();
}

/** An image layout whose index points to an index with one manifest for each platform. */
export function ociArchive(platforms: readonly { architecture: string; layer: Buffer; type: string }[], name?: string): Buffer {
  const tar = new RootfsTar().file('oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  const blob = (data: Buffer) => {
    tar.file(`blobs/sha256/${digest(data)}`, data);
    return { digest: `sha256:${digest(data)}`, size: data.length };
  };
  const manifests = platforms.map(({ architecture, layer, type }) => {
    const configuration = blob(configurationOf([layer], { architecture }));
    const data = type.endsWith('gzip') ? gzipSync(layer) : type.endsWith('zstd') ? zstdCompressSync(layer) : layer;
    const manifest = {
      schemaVersion: 2,
      config: { ...configuration, mediaType: 'application/vnd.oci.image.config.v1+json' },
      layers: [{ ...blob(data), mediaType: type }],
    };
    return { ...blob(Buffer.from(JSON.stringify(manifest))), mediaType: 'application/vnd.oci.image.manifest.v1+json', platform: { os: 'linux', architecture } };
  });
  const inner = { ...blob(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))), mediaType: 'application/vnd.oci.image.index.v1+json' };
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } };
  return tar.file('index.json', JSON.stringify({ schemaVersion: 2, manifests: [{ ...inner, ...annotations }] })).end();
}
