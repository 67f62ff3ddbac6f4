/** What there is below a folder, on the host and in a container, as lines that can be compared. */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TarReader } from '@berth/images';
import { run } from '@berth/sys';
import type { DockerCli } from '../oracle/index.ts';

const sum = (data: Buffer) => createHash('sha256').update(data).digest('hex').slice(0, 12);

export async function hostTree(folder: string, name = ''): Promise<string[]> {
  const path = join(folder, name);
  const info = await lstat(path);
  const owner = `${info.mode.toString(8)} ${info.uid}:${info.gid}`;
  if (info.isSymbolicLink()) return [`${name} -> ${await readlink(path)}`];
  if (info.isFile()) return [`${name} ${owner} ${Math.floor(info.mtimeMs / 1000)} ${sum(await readFile(path))}`];
  if (!info.isDirectory()) return [`${name} ${owner} ${info.rdev}`];
  const below = await Promise.all((await readdir(path)).sort().map((child) => hostTree(folder, name === '' ? child : `${name}/${child}`)));
  return [...(name === '' ? [] : [`${name}/ ${owner}`]), ...below.flat()];
}

/** Members of a tar; times of files only, since directories made on the way have the time of their making. */
export async function tarTree(tar: Buffer): Promise<string[]> {
  const reader = new TarReader(
    (async function* () {
      yield tar;
    })(),
  );
  const lines: string[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const parts: Buffer[] = [];
    for await (const part of reader.body()) parts.push(Buffer.from(part));
    const file = entry.kind === 'file' ? ` ${entry.mtime} ${sum(Buffer.concat(parts))}` : '';
    const device = entry.kind === 'character' || entry.kind === 'block' ? ` ${entry.deviceMajor}:${entry.deviceMinor}` : '';
    const xattrs = [...entry.xattrs.keys()].filter((name) => name === 'security.capability').join();
    const path = entry.kind === 'directory' ? entry.path.replace(/\/*$/, '/') : entry.path;
    lines.push(`${path} ${entry.kind} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}${file}${device} ${entry.linkPath} ${xattrs}`);
  }
  return lines.sort();
}

export async function containerTree(docker: DockerCli, directory: string, container: string, path: string): Promise<string[]> {
  return await tarTree(await archiveOf(docker, directory, container, path));
}

/** What `docker cp CONTAINER:PATH -` writes. */
export async function archiveOf(docker: DockerCli, directory: string, container: string, path: string): Promise<Buffer> {
  const file = join(directory, '..', `${container}-${process.hrtime.bigint()}.tar`);
  // Through a shell: the command refuses to write an archive to anything but a redirected stream.
  await run(
    'sh',
    ['-c', `exec ${[docker.command, ...docker.arguments(['cp', `${container}:${path}`, '-'])].map((word) => `'${word}'`).join(' ')} > '${file}'`],
    {
      env: docker.environment,
      timeoutMs: 60_000,
    },
  );
  return await readFile(file);
}

/** The same files on each side's host. */
export async function makeHostFiles(folder: string): Promise<void> {
  const at = (...names: string[]) => join(folder, ...names);
  await mkdir(at('d/sub'), { recursive: true });
  await mkdir(at('here/inside'), { recursive: true });
  await writeFile(at('f'), 'a file\n');
  await writeFile(at('empty'), '');
  await writeFile(at('d/x'), 'x of d\n');
  await writeFile(at('d/sub/y'), Buffer.alloc(100_000, 'y'));
  await writeFile(at('d/exe'), '#!/bin/sh\n');
  await writeFile(at('there'), 'is there\n');
  await chmod(at('f'), 0o640);
  await chmod(at('d/exe'), 0o4755);
  await chmod(at('d/sub'), 0o1770);
  await symlink('f', at('lf'));
  await symlink('d', at('ld'));
  await symlink('x', at('d/lx'));
  await symlink('/nowhere', at('d/broken'));
  for (const name of ['f', 'empty', 'd/x', 'd/sub/y', 'd/exe', 'there']) await utimes(at(name), 1_400_000_000, 1_400_000_000);
}
