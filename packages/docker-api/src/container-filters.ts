import { Fault, isFault } from '@berth/kit';
import { Filters, invalidFilter, matchesName, parseContainerPorts, parseMoment } from '@berth/docker-wire';
import type { ContainerView, Engine } from '@berth/engine';
import { invalid } from './faults.ts';
import { exposedPorts } from './view/container-inspect.ts';

const known = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'label!',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];
const phases = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

export interface ListOptions {
  readonly all: boolean;
  /** Only so many, the newest; running or not. */
  readonly limit: number | undefined;
  readonly filters: string;
}

/** `docker ps`: newest first. Faults with Docker's sentences for filters that can't be. */
export function listContainers(engine: Engine, options: ListOptions): ContainerView[] {
  const filters = Filters.parse(options.filters, known);
  for (const status of filters.values('status')) if (!phases.includes(status)) throw invalidFilter('status', [status]);
  for (const health of filters.values('health')) {
    if (!['none', 'starting', 'healthy', 'unhealthy'].includes(health)) throw invalidFilter('health', [health]);
  }
  const exited = filters.values('exited').map((value) => {
    if (!/^[+-]?\d+$/.test(value)) throw invalid('filter-invalid', `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    return Number(value);
  });
  const before = filters.values('before').map((reference) => created(engine, reference));
  const since = filters.values('since').map((reference) => created(engine, reference));
  const ancestors = filters.values('ancestor').map((reference) => imageIdOf(engine, reference));
  const limited = options.limit !== undefined && options.limit > 0;
  const all = options.all || limited || filters.has('status') || exited.length > 0 || before.length > 0 || since.length > 0;

  const matching = [...engine.containers()]
    .filter((view) => {
      const { definition, state } = view;
      return (
        (all || state.phase === 'running' || state.phase === 'paused' || state.phase === 'restarting') &&
        filters.any('id', (value) => matchesName(`^${value}`, definition.id)) &&
        filters.any('name', (value) => matchesName(value, definition.name) || matchesName(value, `/${definition.name}`)) &&
        filters.any('status', (value) => value === state.phase) &&
        filters.any('health', (value) => value === (view.health?.status ?? 'none')) &&
        filters.any('is-task', (value) => !['1', 'true'].includes(value)) &&
        filters.labels(definition.labels) &&
        (exited.length === 0 || (state.phase === 'exited' && exited.includes(state.exitCode))) &&
        before.every((limit) => isBefore(view, limit)) &&
        since.every((limit) => isBefore(limit, view)) &&
        (!filters.has('ancestor') || ancestors.includes(definition.imageId)) &&
        filters.any('volume', (value) => hasMount(view, value)) &&
        filters.any('network', (value) => onNetwork(view, value)) &&
        matchesPorts(
          filters,
          'publish',
          view.publications.map((p) => `${p.containerPort}/${p.protocol}`),
        ) &&
        matchesPorts(filters, 'expose', exposedPorts(view))
      );
    })
    .sort(newestFirst);
  return limited ? matching.slice(0, options.limit) : matching;
}

/** The order in which Docker lists containers. */
export const newestFirst = (a: ContainerView, b: ContainerView): number => b.definition.createdAtMs - a.definition.createdAtMs;

/** `docker container prune`'s filters: `until` and labels. */
export function pruneFilter(text: string): (createdAtMs: number, labels: Readonly<Record<string, string>>) => boolean {
  const filters = Filters.parse(text, ['until', 'label', 'label!']);
  const untils = filters.values('until');
  if (untils.length > 1) throw invalid('filter-invalid', 'more than one until filter specified');
  const until = untils[0] === undefined ? undefined : Number(parseMoment(untils[0], Date.now()) / 1_000_000n);
  return (createdAtMs, labels) => (until === undefined || createdAtMs < until) && filters.labels(labels);
}

function created(engine: Engine, reference: string): ContainerView {
  try {
    return engine.container(reference);
  } catch (error) {
    if (isFault(error, 'container-not-found')) throw new Fault('not-found', error.code, `no such container ${reference}`, { cause: error });
    throw error;
  }
}

function isBefore(a: ContainerView, b: ContainerView): boolean {
  return a.definition.id !== b.definition.id && a.definition.createdAtMs < b.definition.createdAtMs;
}

function imageIdOf(engine: Engine, reference: string): string | undefined {
  try {
    return engine.images.get(reference).id;
  } catch {
    return undefined;
  }
}

/** By the name of a volume, or by where something is mounted. */
function hasMount(view: ContainerView, wanted: string): boolean {
  return view.definition.mounts.some((mount) => mount.target === wanted || (mount.type === 'volume' && mount.name === wanted));
}

function onNetwork(view: ContainerView, wanted: string): boolean {
  const names = view.endpoints.flatMap((endpoint) => [endpoint.networkName, endpoint.networkId]);
  const wished = view.definition.networks.map(({ network }) => network);
  const all = names.length + wished.length === 0 ? ['none'] : names.length > 0 ? names : wished;
  return all.some((name) => name === wanted || (wanted.length >= 12 && name.startsWith(wanted)));
}

function matchesPorts(filters: Filters, name: 'publish' | 'expose', have: readonly string[]): boolean {
  return filters.any(name, (value) => parseContainerPorts(value).some((port) => have.includes(`${port.port}/${port.protocol}`)));
}
