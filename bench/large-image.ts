import { createCipheriv, createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { RootfsTar } from '../packages/images/src/local/rootfs-tar.ts';

const LAYERS = 3;
const LAYER_BYTES = 100 << 20;

/** Content that compresses about as programs do, to half; the same for the same seed. */
function content(seed: number, bytes: number): Buffer {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16, seed)).update(Buffer.alloc(bytes));
  const line = Buffer.from('a line of text as there are many in programs and their documentation\n');
  for (let at = 0; at < bytes; at += 8192) noise.fill(line, at, Math.min(at + 4096, bytes));
  return noise;
}

/** One layer: many small files, some of middle size, a few large ones. */
function layer(number: number): Buffer {
  const rootfs = new RootfsTar().directory(`opt`).directory(`opt/${number}`);
  const sizes = [...Array<number>(1500).fill(8 << 10), ...Array<number>(120).fill(256 << 10), ...Array<number>(7).fill(8 << 20)];
  let left = LAYER_BYTES;
  for (const [index, bytes] of sizes.entries()) {
    rootfs.file(`opt/${number}/${index}`, content((number * 7 + index) % 251, Math.min(bytes, left)));
    left -= Math.min(bytes, left);
  }
  return rootfs.end();
}

/** Writes a `docker load` archive of about 300 MB in three layers, tagged `name`. */
export async function writeLargeImage(path: string, name: string): Promise<void> {
  const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
  const archive = tar.pack();
  const written = pipeline(archive, createWriteStream(path));
  const add = (entry: string, data: Buffer | string) =>
    new Promise<void>((resolve, reject) => archive.entry({ name: entry }, data, (error) => (error ? reject(error) : resolve())));
  const diffIds: string[] = [];
  const names: string[] = [];
  for (let number = 0; number < LAYERS; number++) {
    const data = layer(number);
    diffIds.push(`sha256:${sha256(data)}`);
    names.push(`${number}/layer.tar`);
    await add(`${number}/layer.tar`, data);
  }
  const configuration = JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } });
  const id = sha256(configuration);
  await add(`${id}.json`, configuration);
  await add('manifest.json', JSON.stringify([{ Config: `${id}.json`, RepoTags: [name], Layers: names }]));
  archive.finalize();
  await written;
}
