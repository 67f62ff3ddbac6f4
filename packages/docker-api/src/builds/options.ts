import { Fault } from '@berth/kit';
import { cannotBe, invalid, notYet } from '../faults.ts';
import { joinReference } from '../image-names.ts';
import type { Query } from '../query.ts';

/** How an option of `docker build` is treated; also a table of docs/docker-compatibility.md. */
export interface BuildOptionRow {
  readonly flag: string;
  readonly parameter: string;
  readonly treatment: 'acted' | 'harmless' | 'refused';
  readonly note: string;
}

export const buildOptionTable: readonly BuildOptionRow[] = [
  { flag: '-t, --tag', parameter: 't', treatment: 'acted', note: '' },
  { flag: '-f, --file', parameter: 'dockerfile', treatment: 'acted', note: '' },
  { flag: '', parameter: 'remote', treatment: 'acted', note: 'an archive or a Dockerfile at http or https; git repositories are refused' },
  { flag: '-q, --quiet', parameter: 'q', treatment: 'acted', note: '' },
  { flag: '--no-cache', parameter: 'nocache', treatment: 'acted', note: '' },
  { flag: '--cache-from', parameter: 'cachefrom', treatment: 'harmless', note: 'the cache of this machine is always used' },
  { flag: '--pull', parameter: 'pull', treatment: 'acted', note: '' },
  { flag: '--rm', parameter: 'rm', treatment: 'harmless', note: 'the container of a step is always removed' },
  { flag: '--force-rm', parameter: 'forcerm', treatment: 'acted', note: 'says so; the container of a step that failed is removed anyway' },
  { flag: '--build-arg', parameter: 'buildargs', treatment: 'acted', note: '' },
  { flag: '--label', parameter: 'labels', treatment: 'acted', note: '' },
  { flag: '--target', parameter: 'target', treatment: 'acted', note: 'stages that nothing needs are not built' },
  { flag: '--network', parameter: 'networkmode', treatment: 'acted', note: 'of RUN steps; `host` is refused' },
  { flag: '--add-host', parameter: 'extrahosts', treatment: 'acted', note: '' },
  { flag: '-m, --memory', parameter: 'memory', treatment: 'acted', note: 'of RUN steps, as the next four' },
  { flag: '--memory-swap', parameter: 'memswap', treatment: 'acted', note: '' },
  { flag: '--cpu-period, --cpu-quota', parameter: 'cpuperiod, cpuquota', treatment: 'acted', note: '' },
  { flag: '--cpu-shares, --cpuset-cpus', parameter: 'cpushares, cpusetcpus', treatment: 'acted', note: 'as with `docker run`' },
  { flag: '--shm-size', parameter: 'shmsize', treatment: 'acted', note: '' },
  { flag: '--ulimit', parameter: 'ulimits', treatment: 'acted', note: '' },
  { flag: '--platform', parameter: 'platform', treatment: 'acted', note: 'of base images that are pulled' },
  { flag: '--secret', parameter: 'secrets', treatment: 'acted', note: "as podman's API gives them; the docker client has it with BuildKit only" },
  { flag: '--squash', parameter: 'squash', treatment: 'refused', note: 'layers stay as they are' },
  { flag: '--isolation', parameter: 'isolation', treatment: 'harmless', note: 'a choice of Windows' },
  { flag: '--security-opt, --cgroup-parent', parameter: 'securityopt, cgroupparent', treatment: 'acted', note: 'as with `docker run`' },
  { flag: '--output', parameter: 'outputs', treatment: 'refused', note: 'save or export the image' },
  { flag: '', parameter: 'version', treatment: 'refused', note: '2 is BuildKit' },
];

/** What `POST /build` is asked, but for what its steps' containers are like. Faults with Docker's sentences. */
export function readBuild(query: Query) {
  if (query.text('version') === '2') throw notYet('docker build with BuildKit is', 'set DOCKER_BUILDKIT=0');
  if (query.flag('squash')) throw cannotBe('docker build --squash', 'layers stay as they are, so that images can share them');
  if (query.text('outputs') !== '') throw notYet('docker build --output is', 'save or export the image');
  const platform = query.text('platform');
  return {
    remote: query.text('remote'),
    dockerfile: query.text('dockerfile'),
    tags: query
      .texts('t')
      .filter((tag) => tag !== '')
      .map(checkedTag),
    quiet: query.flag('q'),
    noCache: query.flag('nocache'),
    pull: query.flag('pull'),
    forceRemove: query.flag('forcerm'),
    arguments: new Map(Object.entries(jsonObject(query, 'buildargs')).map(([key, value]) => [key, value === null ? undefined : String(value)])),
    labels: Object.fromEntries(Object.entries(jsonObject(query, 'labels')).map(([key, value]) => [key, String(value ?? '')])),
    target: query.text('target'),
    ...(platform === '' ? {} : { platform }),
    secrets: secretsOf(query.text('secrets')),
  };
}

function checkedTag(tag: string): string {
  if (/@/.test(tag)) throw invalid('reference-invalid', 'build tag cannot contain a digest');
  return joinReference(tag, '');
}

export function jsonValue(query: Query, name: string): unknown {
  const text = query.text(name);
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Fault('invalid', 'parameter-invalid', `error reading ${name}: ${(error as Error).message}`, { cause: error });
  }
}

function jsonObject(query: Query, name: string): Record<string, unknown> {
  const value = jsonValue(query, name) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('parameter-invalid', `error reading ${name}: it is no object`);
  return value as Record<string, unknown>;
}

/** A list of `id=…,src=…`: `src` is a file of the context. */
function secretsOf(text: string): { id: string; path: string }[] {
  if (text === '') return [];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw invalid('parameter-invalid', 'error reading secrets: it is no list');
  return list.map((entry) => {
    const fields = new Map(
      String(entry)
        .split(',')
        .map((field) => [field.split('=', 1)[0] ?? '', field.slice(field.indexOf('=') + 1)]),
    );
    const [id, path] = [fields.get('id') ?? '', fields.get('src') ?? fields.get('source') ?? ''];
    if (id === '' || path === '') throw invalid('parameter-invalid', 'error reading secrets: each needs an id and a src');
    return { id, path };
  });
}
