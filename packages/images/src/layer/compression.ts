import { createGunzip, createZstdDecompress, constants } from 'node:zlib';
import { isFault } from '@berth/kit';
import { filter } from '@berth/sys';
import { compressionUnsupported, tarInvalid } from '../faults.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGICS: readonly (readonly [Exclude<Compression, 'none'>, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** What a stream is compressed with, by its first bytes, as Docker decides it. */
export function compressionOf(head: Buffer): Compression {
  for (const [name, magic] of MAGICS) if (magic.every((byte, at) => head[at] === byte)) return name;
  return 'none';
}

/** The first bytes of a stream, and the stream with them put back. */
export async function peek(source: AsyncIterable<Buffer>, count: number): Promise<{ head: Buffer; whole: AsyncGenerator<Buffer> }> {
  const chunks = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  let done = false;
  try {
    while (!done && head.length < count) {
      const next = await chunks.next();
      if (next.done === true) done = true;
      else head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
  } catch (error) {
    await chunks.return?.();
    throw error;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    try {
      if (head.length > 0) yield head;
      while (!done) {
        const next = await chunks.next();
        if (next.done === true) break;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }
  return { head: head.subarray(0, count), whole: whole() };
}

/** The plain bytes of a compressed stream. Broken input is a Fault `tar-invalid`. */
export function decompressed(source: AsyncIterable<Buffer>, compression: Compression): AsyncIterable<Buffer> {
  switch (compression) {
    case 'none':
      return source;
    case 'gzip':
      return throughZlib(source, createGunzip({ chunkSize: 256 * 1024 }), 'gzip');
    case 'zstd':
      return throughZlib(source, createZstdDecompress({ chunkSize: 256 * 1024, params: { [constants.ZSTD_d_windowLogMax]: 27 } }), 'zstd');
    case 'xz':
      return throughTool(source, 'xz', ['-d', '-c', '-q', '--memlimit-decompress=512MiB']);
    case 'bzip2':
      return throughTool(source, 'bzip2', ['-d', '-c', '-q']);
  }
}

async function* throughZlib(source: AsyncIterable<Buffer>, inflate: ReturnType<typeof createGunzip>, name: string): AsyncGenerator<Buffer> {
  let sourceError: unknown;
  const feeding = (async () => {
    try {
      for await (const chunk of source) {
        if (inflate.destroyed) return;
        if (!inflate.write(chunk)) await drained(inflate);
      }
      inflate.end();
    } catch (error) {
      sourceError = error;
      inflate.destroy(error as Error);
    }
  })();
  try {
    for await (const chunk of inflate) yield chunk as Buffer;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw tarInvalid(`broken ${name} data: ${(error as Error).message}`);
  } finally {
    inflate.destroy();
    await feeding;
  }
}

function drained(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      stream.off('error', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    stream.on('error', done);
  });
}

async function* throughTool(source: AsyncIterable<Buffer>, tool: string, args: readonly string[]): AsyncGenerator<Buffer> {
  try {
    yield* filter(tool, args, source);
  } catch (error) {
    if (isFault(error, 'command-missing')) throw compressionUnsupported(tool);
    if (isFault(error, 'command-failed')) throw tarInvalid(`broken ${tool} data: ${error.detail?.trim().split('\n')[0] ?? ''}`);
    throw error;
  }
}

/** The tar in a stream that may be compressed. */
export async function* plainTar(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { head, whole } = await peek(source, 6);
  yield* decompressed(whole, compressionOf(head));
}
