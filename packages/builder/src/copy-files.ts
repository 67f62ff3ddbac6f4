import { isFault } from '@berth/kit';
import { type FileTree, type Inode, padding, plainTar, type TarEntry, TarReader } from '@berth/images';
import { copyFailed } from './faults.ts';
import { LayerWriter, type Owner, ROOT } from './layer-writer.ts';
import { below, type Source } from './sources.ts';

export interface Copying {
  readonly instruction: 'COPY' | 'ADD';
  /** The image it goes into. */
  readonly tree: FileTree;
  readonly sources: readonly Source[];
  /** Written here: heredocs. */
  readonly texts: readonly { readonly name: string; readonly content: Buffer }[];
  /** Absolute; with a slash at its end it is a directory. */
  readonly destination: string;
  /** Absent: each file's own, and root for what is made. */
  readonly owner: Owner | undefined;
  /** Absent: each file's own. */
  readonly mode: number | undefined;
  /** Archives are unpacked (ADD). */
  readonly unpack: boolean;
  readonly nowMs: number;
}

/** The members of the layer that a COPY or ADD makes. Faults: `build-failed`, `tar-invalid`. */
export async function* copyFiles(copying: Copying): AsyncGenerator<Buffer> {
  const { tree, owner = ROOT, nowMs } = copying;
  const writer = new LayerWriter(tree, nowMs);
  for (const source of copying.sources) {
    if (source.node.kind === 'directory') yield* directory(copying, writer, source);
    else if (copying.unpack && (await isArchive(source))) yield* unpacked(copying, writer, source);
    else {
      const path = yield* fileTarget(copying, writer, source.name);
      yield* contents(copying, source.tree, new Map([[source.node.inode, [path]]]), writer);
    }
  }
  for (const { name, content } of copying.texts) {
    const path = yield* fileTarget(copying, writer, name);
    yield* writer.text(path, content, copying.mode ?? 0o644, owner);
  }
}

/** Where a single file goes: into a directory, or under the name given. What it lies in is described first. */
function* fileTarget({ tree, destination, owner = ROOT }: Copying, writer: LayerWriter, name: string): Generator<Buffer, string> {
  const bytes = Buffer.from(destination).toString('latin1');
  const place = tree.find(bytes);
  const into = destination.endsWith('/') || place.node?.kind === 'directory' || writer.describes(place.names.join('/'));
  const directoryPath = into ? bytes : place.names.slice(0, -1).join('/');
  const { headers, path } = writer.directory(directoryPath, owner);
  yield* headers;
  const last = into ? name : (place.names.at(-1) ?? '');
  return path === '' ? last : `${path}/${last}`;
}

/** What lies in a directory goes into the destination. */
async function* directory(copying: Copying, writer: LayerWriter, { tree, node }: Source): AsyncGenerator<Buffer> {
  if (node.kind !== 'directory') return;
  const { destination, owner, mode } = copying;
  const target = Buffer.from(destination).toString('latin1');
  const there = copying.tree.find(target);
  if (there.node?.kind === 'file') throw copyFailed(copying.instruction, `cannot copy to non-directory: /${there.names.join('/')}`);
  const { headers, path: root } = writer.directory(target, ROOT);
  const existed = there.node !== undefined;
  // A directory that is made by this is as the source is, whatever mode is asked for; one that was there stays as it is.
  if (existed) yield* headers;
  else {
    yield* headers.slice(0, -1);
    if (root !== '') yield writer.member({ ...described(node.entry), ...owner, path: root });
  }
  const files = new Map<Inode, string[]>();
  for (const [path, child] of below(node)) {
    if (path === '') continue;
    const at = root === '' ? path : `${root}/${path}`;
    if (child.kind === 'directory') yield writer.member({ ...described(child.entry), ...owner, path: at, mode: mode ?? child.entry?.mode ?? 0o755 });
    else files.set(child.inode, [...(files.get(child.inode) ?? []), at]);
  }
  yield* contents(copying, tree, files, writer);
}

async function* contents({ owner, mode }: Copying, tree: FileTree, files: ReadonlyMap<Inode, readonly string[]>, writer: LayerWriter): AsyncGenerator<Buffer> {
  for await (const { inode, entry, body } of tree.read(new Set(files.keys()))) {
    const [first = '', ...others] = files.get(inode) ?? [];
    yield writer.member({ ...entry, ...owner, path: first, mode: entry.kind === 'symlink' ? entry.mode : (mode ?? entry.mode) });
    yield* body;
    yield padding(entry.sizeBytes);
    for (const other of others) yield writer.member({ ...entry, ...owner, kind: 'hardlink', path: other, linkPath: first, sizeBytes: 0 });
  }
}

function described(entry: TarEntry | undefined): TarEntry {
  return (
    entry ?? {
      kind: 'directory',
      path: '',
      mode: 0o755,
      uid: 0,
      gid: 0,
      sizeBytes: 0,
      mtime: 0,
      linkPath: '',
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
    }
  );
}

async function* contentOf({ tree, node }: Source): AsyncGenerator<Buffer> {
  if (node.kind !== 'file') return;
  for await (const { body } of tree.read(new Set([node.inode]))) yield* body;
}

/** By what is in it, as dockerd: its name says nothing. */
async function isArchive(source: Source): Promise<boolean> {
  const reader = new TarReader(plainTar(contentOf(source)));
  try {
    return (await reader.next()) !== undefined;
  } catch (error) {
    if (isFault(error, 'tar-invalid') || isFault(error, 'compression-unsupported')) return false;
    throw error;
  } finally {
    await reader.close();
  }
}

/** Its members keep their owners and modes. Whatever they are called, they come to lie below the destination. */
async function* unpacked({ instruction, destination, owner = ROOT }: Copying, writer: LayerWriter, source: Source): AsyncGenerator<Buffer> {
  const { headers, path: root } = writer.directory(Buffer.from(destination).toString('latin1'), owner);
  yield* headers;
  const reader = new TarReader(plainTar(contentOf(source)));
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const names = inside(entry.path, instruction);
      if (names.length === 0) continue;
      const parent = [root, ...names.slice(0, -1)].filter((name) => name !== '').join('/');
      let directoryPath = parent;
      if (!writer.describes(parent)) {
        const made = writer.directory(parent, owner);
        yield* made.headers;
        directoryPath = made.path;
      }
      const path = [directoryPath, names.at(-1)].filter((name) => name !== '').join('/');
      const linkPath = entry.kind === 'hardlink' ? [root, ...inside(entry.linkPath, instruction)].filter((name) => name !== '').join('/') : entry.linkPath;
      yield writer.member({ ...entry, path, linkPath });
      if (entry.kind !== 'file') continue;
      yield* reader.body();
      yield padding(entry.sizeBytes);
    }
  } finally {
    await reader.close();
  }
}

function inside(path: string, instruction: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..' && names.pop() === undefined) throw copyFailed(instruction, `${JSON.stringify(path)} is outside of the archive's root`);
    if (name === '..') continue;
    if (name.startsWith('.wh.')) throw copyFailed(instruction, `${JSON.stringify(path)}: names that begin with .wh. mean deletions in a layer`);
    names.push(name);
  }
  return names;
}
