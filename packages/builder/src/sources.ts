import { posix } from 'node:path';
import { globRegExp } from '@berth/dockerfile';
import type { DirectoryNode, FileNode, FileTree } from '@berth/images';
import { copyFailed, notInContext } from './faults.ts';

/** One thing to be copied. */
export interface Source {
  readonly tree: FileTree;
  readonly node: DirectoryNode | FileNode;
  /** Its last name as it was written, which is not that of what a link leads to. */
  readonly name: string;
}

/** What a path of COPY or ADD means: one file, or all that fit a pattern. Paths are text; a tree's names are bytes. */
export function sourcesOf(tree: FileTree, path: string, instruction: string): Source[] {
  const clean = posix.normalize(`/${path}`).replace(/(.)\/$/, '$1');
  if (/(?:^|\/)\.\.(?:\/|$)/.test(posix.normalize(path.replace(/^\/+/, '')))) {
    throw copyFailed(instruction, `forbidden path outside the build context: ${path} ()`);
  }
  const bytes = Buffer.from(clean).toString('latin1');
  if (!/[*?[\\]/.test(path)) return [found(tree, bytes, clean, instruction)];
  const pattern = globRegExp(bytes.slice(1));
  const matches: string[] = [];
  const walk = (node: DirectoryNode, at: string) => {
    for (const name of [...node.children.keys()].sort()) {
      const child = node.children.get(name);
      const here = at === '' ? name : `${at}/${name}`;
      if (pattern.test(here)) matches.push(here);
      if (child?.kind === 'directory') walk(child, here);
    }
  };
  walk(tree.root, '');
  if (matches.length === 0) throw copyFailed(instruction, 'no source files were specified');
  return matches.map((match) => found(tree, `/${match}`, match, instruction));
}

function found(tree: FileTree, bytes: string, shown: string, instruction: string): Source {
  const { node } = tree.find(bytes);
  if (node === undefined) throw notInContext(instruction, shown.replace(/^\//, ''));
  return { tree, node, name: posix.basename(bytes) };
}

/** Every file below a directory by its path from there, in order; the directory itself is ''. */
export function* below(node: DirectoryNode, at = ''): Generator<readonly [path: string, node: DirectoryNode | FileNode]> {
  yield [at, node];
  for (const name of [...node.children.keys()].sort()) {
    const child = node.children.get(name);
    const path = at === '' ? name : `${at}/${name}`;
    if (child?.kind === 'directory') yield* below(child, path);
    else if (child?.kind === 'file') yield [path, child];
  }
}
