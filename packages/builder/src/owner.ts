import type { FileTree } from '@berth/images';
import { buildFailed } from './faults.ts';
import { type Owner, ROOT } from './layer-writer.ts';

const MOST = 0xffff_fffe;

/** `--chown=user[:group]`: names as the image knows them; a user alone has the group of the same name or number. */
export async function ownerOf(text: string | undefined, tree: FileTree): Promise<Owner> {
  if (text === undefined || text === '') return ROOT;
  const [user = '', group = user, ...more] = text.split(':');
  if (more.length > 0 || user === '' || group === '') throw buildFailed(`invalid chown string format: ${text}`);
  return { uid: await number('user', user, tree, 'etc/passwd'), gid: await number('group', group, tree, 'etc/group') };
}

async function number(what: 'user' | 'group', name: string, tree: FileTree, file: string): Promise<number> {
  if (/^\d{1,10}$/.test(name) && Number(name) <= MOST) return Number(name);
  const line = ((await tree.text(file)) ?? '').split('\n').find((one) => one.startsWith(`${name}:`));
  const id = line?.split(':')[2] ?? '';
  if (/^\d{1,10}$/.test(id)) return Number(id);
  const short = what === 'user' ? 'uid' : 'gid';
  throw buildFailed(`unable to convert uid/gid chown string to host mapping: can't find ${short} for ${what} ${name}: no such ${what}: ${name}`);
}
