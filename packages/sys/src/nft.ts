import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFault } from '@berth/kit';
import { run } from './run.ts';

/**
 * Applies nft commands as one transaction: all or nothing. The commands go through a file in `directory` (made when it
 * doesn't exist), because `nft -f -` refuses the socket that Node gives a child as standard input. Fault `command-failed`.
 */
export async function applyNft(commands: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `nft-${randomBytes(8).toString('hex')}`);
  try {
    await writeFile(file, commands, { mode: 0o600 });
    await run('nft', ['-f', file], { timeoutMs: 30_000 });
  } finally {
    await rm(file, { force: true });
  }
}

/** Deletes the files that an `applyNft` of a killed process left in this directory. Call it when nobody else uses it. */
export async function removeNftLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (/^nft-[0-9a-f]{16}$/.test(name)) await rm(join(directory, name), { force: true });
  }
}

/** One object of `nft -j list …`: `{ set: … }`, `{ map: … }`, `{ chain: … }` and so on. */
export type NftObject = Readonly<Record<string, NftBody>>;
export type NftBody = Readonly<Record<string, unknown>>;

/** Lists a table; `undefined` when there is none of that name. */
export async function listNftTable(family: 'inet' | 'ip' | 'ip6' | 'bridge', table: string): Promise<NftObject[] | undefined> {
  try {
    const { stdout } = await run('nft', ['-j', 'list', 'table', family, table], { timeoutMs: 30_000 });
    return (JSON.parse(stdout) as { nftables: NftObject[] }).nftables;
  } catch (error) {
    if (isFault(error, 'command-failed') && error.message.includes('No such file or directory')) return undefined;
    throw error;
  }
}

/** Base chains of the whole host, whoever made them. */
export async function listNftChains(): Promise<NftBody[]> {
  const { stdout } = await run('nft', ['-j', 'list', 'chains'], { timeoutMs: 30_000 });
  const objects = (JSON.parse(stdout) as { nftables: NftObject[] }).nftables;
  return objects.flatMap((object) => (object['chain'] === undefined ? [] : [object['chain']]));
}
