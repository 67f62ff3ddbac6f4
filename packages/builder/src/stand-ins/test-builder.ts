import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openTestEngine, type TestEngine } from '@berth/engine/stand-ins';
import { END_OF_ARCHIVE, type Image, ImageStore, padding, tarHeader } from '@berth/images';
import { ImageBuilder } from '../image-builder.ts';
import type { BuildRequest } from '../port.ts';
import type { BuildLimits } from '../world.ts';

export interface TestBuilder extends AsyncDisposable {
  readonly t: TestEngine;
  readonly images: ImageStore;
  readonly builder: ImageBuilder;
  build(files: Readonly<Record<string, string | Buffer>>, changes?: Partial<BuildRequest>, signal?: AbortSignal): Promise<{ image: Image; said: string }>;
}

/** A builder over a real store of images, with steps that are processes of this machine. */
export async function openTestBuilder(limits: Partial<BuildLimits> = {}): Promise<TestBuilder> {
  const directory = await mkdtemp(join(tmpdir(), 'bt-builder-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const images = stack.use(await ImageStore.open({ directory: join(directory, 'images') }));
  const base = tarOf({ 'etc/passwd': 'root:x:0:0::/:/bin/sh\nsome:x:5:6::/:/bin/sh\n', 'etc/group': 'root:x:0:\nstaff:x:50:\n' });
  const busybox = await images.import(Readable.from([base]), { reference: 'busybox', changes: ['CMD ["sh"]'] });
  const t = stack.use(await openTestEngine(undefined, { images }));
  const builder = stack.use(await ImageBuilder.open({ engine: t.engine, directory: join(directory, 'run'), limits }));
  const owned = stack.move();
  return {
    t,
    images,
    builder,
    async build(files, changes = {}, signal = new AbortController().signal) {
      let said = '';
      const request: BuildRequest = {
        context: { stream: pieces(tarOf(files)) },
        dockerfile: '',
        tags: [],
        arguments: new Map(),
        labels: {},
        target: '',
        noCache: false,
        pull: false,
        forceRemove: false,
        secrets: [],
        credentials: () => undefined,
        container: ({ image, args, env, cwd, user }) => t.container(args, { imageId: image.id, env, cwd, user, networks: [], imageReference: busybox.id }),
        ...changes,
      };
      const output = {
        text: (line: string) => void (said += line),
        write: async (_stream: string, data: Buffer) => void (said += data.toString()),
        message: () => undefined,
        built: () => undefined,
      };
      const image = await builder.build(request, output, signal);
      return { image, said };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function tarOf(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const plain = { uid: 0, gid: 0, mtime: 0, linkPath: '', deviceMajor: 0, deviceMinor: 0, xattrs: new Map<string, string>() };
  const parts = Object.entries(files).flatMap(([path, content]) => {
    if (typeof content === 'string' && content.startsWith('->'))
      return [tarHeader({ ...plain, kind: 'symlink', path, mode: 0o777, sizeBytes: 0, linkPath: content.slice(2) })];
    const body = Buffer.from(content);
    return [tarHeader({ ...plain, kind: 'file', path, mode: 0o644, sizeBytes: body.length }), body, padding(body.length)];
  });
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

export async function* pieces(data: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536);
}
