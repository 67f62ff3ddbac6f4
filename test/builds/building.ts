import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import type { Side } from '../files/sides.ts';
import { type Files, writeContext } from './context.ts';
import { savedLayers } from './saved-image.ts';

export interface BuildCase {
  readonly name: string;
  /** With a `Dockerfile` among them. */
  readonly files: Files;
  readonly args?: readonly string[];
  /** Built before, with the same files: `Dockerfile.before`, tagged `before`. */
  readonly before?: boolean;
  /** Built again, and what is said then is compared, too. */
  readonly again?: boolean;
  /** What stands here is said by Berth and by dockerd in their own words; only that both refuse is compared. */
  readonly ownWords?: string;
}

const LIMIT = { timeoutMs: 100_000 };

/** Builds a case on one side and gives all that is to be the same on the other. */
export async function built(side: Side, one: BuildCase, number: number): Promise<unknown> {
  const { docker, host } = side;
  const folder = join(host, `case-${number}`);
  await mkdir(folder, { recursive: true });
  await writeContext(folder, one.files);
  const tag = `built:case-${number}`;
  if (one.before === true) await docker.ok(['build', '-t', 'before', '-f', join(folder, 'Dockerfile.before'), folder], LIMIT);
  const build = () => docker.run(['build', '-t', tag, ...(one.args ?? []), folder], LIMIT);
  const { exitCode, stdout, stderr } = await build();
  if (one.ownWords !== undefined || exitCode !== 0) return { exitCode, said: said(stdout), refused: one.ownWords ?? said(stderr) };
  const again = one.again === true ? said((await build()).stdout) : '';
  const [inspected] = JSON.parse(await docker.ok(['image', 'inspect', tag])) as {
    Config: Record<string, unknown>;
    Author: string;
    RootFS: { Layers: string[] };
  }[];
  const history = await docker.ok(['history', '--no-trunc', '--format', '{{.CreatedBy}}', tag]);
  const layers = await savedLayers(docker, tag, host);
  return {
    exitCode,
    said: said(stdout),
    stderr: said(stderr),
    again,
    config: meaning({ ...inspected?.Config, Image: '' }),
    author: inspected?.Author,
    history: history.replaceAll(/[0-9a-f]{64}/g, 'DIGEST').split('\n'),
    layers: layers.slice(1),
  };
}

/** Ids differ, and a step that runs nothing has a container with dockerd only. */
export function said(text: string): string {
  return text
    .split('\n')
    .filter(
      (line) =>
        !/^(?: ---> Running in |Removing intermediate container |Sending build context|DEPRECATED:|\s+BuildKit is currently|\s+environment-variable|$)/.test(
          line,
        ),
    )
    .join('\n')
    .replaceAll(/\b[0-9a-f]{12}\b|\b[0-9a-f]{64}\b/g, 'ID');
}

/** Nothing, an empty list and an empty string mean the same. */
function meaning(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(config).filter(
    ([, value]) => value !== null && value !== '' && value !== false && JSON.stringify(value) !== '[]' && JSON.stringify(value) !== '{}',
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
