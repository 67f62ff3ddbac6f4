import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { run } from '@berth/sys';

const SOURCES = fileURLToPath(new URL('../agent', import.meta.url));

export interface Agent {
  /** The static executable. */
  readonly path: string;
  /** Twelve hex digits: the hash of its sources and of how it was compiled. */
  readonly version: string;
}

const FLAGS = [
  '-static',
  '-Os',
  '-std=gnu17',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-format-truncation',
  '-D_GNU_SOURCE',
  '-ffunction-sections',
  '-fdata-sections',
  '-Wl,--gc-sections',
  '-s',
];

export interface AgentBuild {
  /** Instead of the usual flags: for sanitizers. */
  readonly flags?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Compiles the agent, unless the cache has it for the same sources and flags. */
export async function buildAgent(cacheDir: string, options: AgentBuild = {}): Promise<Agent> {
  const flags = options.flags ?? FLAGS;
  const names = (await readdir(SOURCES)).filter((name) => /\.[ch]$/.test(name)).sort();
  const hash = createHash('sha256').update(JSON.stringify(flags));
  for (const name of names)
    hash
      .update(name)
      .update('\0')
      .update(await readFile(join(SOURCES, name)));
  const version = hash.digest('hex').slice(0, 12);
  await mkdir(cacheDir, { recursive: true });
  const path = join(cacheDir, `agent-${version}`);
  if (
    await readFile(path).then(
      () => true,
      () => false,
    )
  )
    return { path, version };
  const work = await mkdtemp(join(cacheDir, 'compile-'));
  try {
    const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(SOURCES, name));
    const output = join(work, 'agent');
    await run('gcc', [...flags, `-DAGENT_VERSION="${version}"`, '-o', output, ...sources], {
      timeoutMs: 300_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    await rename(output, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { path, version };
}
