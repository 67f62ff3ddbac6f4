import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { CopyInstruction } from '@berth/dockerfile';
import { commitStep, fromCache } from './commit-step.ts';
import { copyFiles } from './copy-files.ts';
import { digestOf } from './digest.ts';
import { buildFailed, buildUnsupported } from './faults.ts';
import { asTar, fetchUrl } from './fetch-url.ts';
import { layerOf } from './layer-writer.ts';
import { ownerOf } from './owner.ts';
import { type Source, sourcesOf } from './sources.ts';
import type { StageState } from './stage-state.ts';
import { treeOf } from './trees.ts';
import type { World } from './world.ts';

/** COPY and ADD: a layer written from archives; nothing runs. */
export async function copyStep(world: World, state: StageState, instruction: CopyInstruction): Promise<void> {
  const { name, from, chown, chmod, heredocs } = instruction;
  const mode = modeOf(chmod, name);
  const isUrl = (source: string) => name === 'ADD' && /^https?:\/\//i.test(source);
  if (instruction.sources.some((source) => name === 'ADD' && /^(?:git@|git:\/\/|https?:\/\/[^#]*\.git(?:#|$))/i.test(source))) {
    throw buildUnsupported('ADD of a git repository is not supported by Berth yet: clone it in a RUN step');
  }
  if (instruction.checksum !== undefined && !instruction.sources.every(isUrl)) throw buildFailed("checksum can't be specified for non-HTTP(S) sources");
  await using stack = new AsyncDisposableStack();
  const tree = from === undefined ? world.context : await treeOf(world, await world.imageNamed(from));
  const sources: Source[] = [];
  let fetched = false;
  for (const source of instruction.sources) {
    if (!isUrl(source)) sources.push(...sourcesOf(tree, source, name));
    else {
      fetched = true;
      sources.push(await download(world, stack, source, instruction));
    }
  }
  const texts = heredocs.map(({ name: file, content }) => ({ name: Buffer.from(file).toString('latin1'), content: Buffer.from(content) }));
  const destination = destinationOf(instruction, state, sources.length + texts.length);
  const digest = await digestOf(sources);
  const text = texts.length === 0 ? '' : createHash('sha256').update(JSON.stringify(heredocs)).digest('hex');
  const shown = texts.length === 0 ? digest : `${sources.length === 0 ? '' : `${digest} `}text:${text}`;
  const shell = (state.config.Shell ?? ['/bin/sh', '-c']).join(' ');
  const owned = chown === undefined || chown === '' ? '' : `--chown=${chown}`;
  const step = { createdBy: `${shell} #(nop) ${name} ${owned}${shown} in ${instruction.destination} `, alsoKey: chmod ?? '' };
  if (fromCache(world, state, step)) return;
  const image = await treeOf(world, state.image);
  const owner = await ownerOf(chown, image);
  // What was fetched is not unpacked; neither is what comes from elsewhere than the context.
  const unpack = name === 'ADD' && !fetched;
  const layer = layerOf(copyFiles({ instruction: name, tree: image, sources, texts, destination, owner, mode, unpack, nowMs: world.nowMs() }));
  await commitStep(world, state, step, { layer });
}

function modeOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[0-7]{1,5}$/.test(text)) throw buildUnsupported(`${name} --chmod=${text} is not supported by Berth yet: write the mode as an octal number`);
  return Number.parseInt(text, 8) & 0o7777;
}

function destinationOf({ name, destination }: CopyInstruction, state: StageState, count: number): string {
  const slash = /\/\.?$|^\.$/.test(destination);
  if (count > 1 && !slash) throw buildFailed(`When using ${name} with more than one source file, the destination must be a directory and end with a /`);
  const path = posix.resolve('/', state.config.WorkingDir ?? '', destination);
  return destination.endsWith('/') && path !== '/' ? `${path}/` : slash && !path.endsWith('/') ? `${path}/` : path;
}

async function download(world: World, stack: AsyncDisposableStack, url: string, { checksum, destination }: CopyInstruction): Promise<Source> {
  world.output.text(`Downloading ${url}\n`);
  const fetched = await fetchUrl(url, world.limits.contextBytes, world.signal);
  const name = fetched.name === '' && !destination.endsWith('/') ? 'file' : fetched.name;
  if (name === '') throw buildFailed(`cannot determine filename for source ${url}`);
  const { signal } = world;
  const sum = createHash('sha256');
  const body = (async function* () {
    for await (const piece of fetched.body) {
      sum.update(piece);
      yield piece;
    }
  })();
  const bytes = name.replaceAll('/', '_');
  const tree = stack.use(await world.engine.images.builds.archive(asTar(bytes, { ...fetched, body }), { bytes: world.limits.contextBytes, signal }));
  const digest = `sha256:${sum.digest('hex')}`;
  if (checksum !== undefined && checksum !== digest) throw buildFailed(`digest mismatch ${digest}: ${checksum}`);
  const { node } = tree.find(Buffer.from(bytes).toString('latin1'), { follow: false });
  if (node === undefined) throw buildFailed(`cannot determine filename for source ${url}`);
  return { tree, node, name: Buffer.from(bytes).toString('latin1') };
}
