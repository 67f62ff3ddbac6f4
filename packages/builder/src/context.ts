import { dockerfileInvalid, IgnoreRules, parseDockerfile, type ParsedDockerfile } from '@berth/dockerfile';
import { END_OF_ARCHIVE, type FileTree, type ImageBuilds, padding, plainTar, TarReader, tarHeader } from '@berth/images';
import { isFault } from '@berth/kit';
import { buildFailed, buildUnsupported, dockerfileEmpty, dockerfileMissing } from './faults.ts';
import { fetchUrl } from './fetch-url.ts';
import type { ContextSource } from './port.ts';
import type { BuildLimits } from './world.ts';

const GIT = /^(?:git@|git:\/\/|github\.com\/|https?:\/\/[^#]*\.git(?:#|$))/i;
const LARGEST_DOCKERFILE_BYTES = 1 << 20;

/** Takes the context in, from the client or from where it says. Faults: `build-unsupported` for git, those of an archive. */
export async function openContext(
  source: ContextSource,
  dockerfile: string,
  { builds, limits, signal }: { builds: ImageBuilds; limits: BuildLimits; signal: AbortSignal },
): Promise<FileTree & AsyncDisposable> {
  const bounds = { bytes: limits.contextBytes, signal };
  if ('stream' in source) return await builds.archive(source.stream, bounds);
  if (GIT.test(source.url)) throw buildUnsupported('docker build of a git repository is not supported by Berth yet: clone it, and build the folder');
  if (!/^https?:\/\//i.test(source.url)) throw buildFailed(`unable to prepare context: path ${JSON.stringify(source.url)} not found`);
  const { body } = await fetchUrl(source.url, limits.contextBytes, signal);
  const { first, whole } = await beginning(body);
  if (await isTar(first)) return await builds.archive(whole, bounds);
  return await builds.archive(onlyDockerfile(dockerfile, whole), bounds);
}

/** Reads the Dockerfile; it and .dockerignore are then taken out of the context when they are ignored. */
export async function readDockerfile(context: FileTree, given: string): Promise<ParsedDockerfile> {
  if (/(?:^|\/)\.\.(?:\/|$)/.test(given)) throw buildFailed(`forbidden path outside the build context: ${given} ()`);
  const path = given === '' ? 'Dockerfile' : given.replace(/^\.?\/+/, '');
  const bytes = Buffer.from(path).toString('latin1');
  const text = (await context.text(bytes)) ?? (given === '' || given === 'Dockerfile' ? await context.text('dockerfile') : undefined);
  if (text === undefined) throw dockerfileMissing(path);
  if (text.trim() === '') throw dockerfileEmpty(path);
  const ignored = new IgnoreRules((await context.text('.dockerignore')) ?? '');
  for (const file of ['.dockerignore', path]) if (ignored.excludes(file)) remove(context, file);
  return parseDockerfile(text);
}

/** Nothing of the build finds it any more. */
export function remove(tree: FileTree, path: string): void {
  const names = Buffer.from(path).toString('latin1').split('/');
  const name = names.pop() ?? '';
  const { node } = tree.find(names.join('/'), { follow: false });
  if (node?.kind === 'directory') node.children.delete(name);
}

async function beginning(body: AsyncIterable<Buffer>): Promise<{ first: Buffer; whole: AsyncIterable<Buffer> }> {
  const pieces = body[Symbol.asyncIterator]();
  const next = await pieces.next();
  const first = next.done === true ? Buffer.alloc(0) : next.value;
  return {
    first,
    whole: (async function* () {
      yield first;
      for (let more = await pieces.next(); more.done !== true; more = await pieces.next()) yield more.value;
    })(),
  };
}

/** Compressed, or with a tar's header. */
async function isTar(first: Buffer): Promise<boolean> {
  if (/^(?:1f8b|28b52ffd|fd377a58|425a68)/.test(first.subarray(0, 4).toString('hex'))) return true;
  const reader = new TarReader(
    plainTar(
      (async function* () {
        yield first;
      })(),
    ),
  );
  try {
    return (await reader.next()) !== undefined;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  } finally {
    await reader.close();
  }
}

async function* onlyDockerfile(given: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > LARGEST_DOCKERFILE_BYTES) throw dockerfileInvalid('the Dockerfile is too large');
    pieces.push(piece);
  }
  const path = Buffer.from(given === '' ? 'Dockerfile' : given).toString('latin1');
  const plain = { uid: 0, gid: 0, linkPath: '', deviceMajor: 0, deviceMinor: 0, mtime: 0, xattrs: new Map<string, string>() };
  yield tarHeader({ ...plain, kind: 'file', path, mode: 0o644, sizeBytes: bytes });
  yield* pieces;
  yield padding(bytes);
  yield END_OF_ARCHIVE;
}
