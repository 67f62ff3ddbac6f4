import { humanDuration } from '@berth/docker-wire';
import type { ContainerView, Engine } from '@berth/engine';
import type { Personality } from '../create/personality.ts';
import { mountViews } from './mount.ts';
import { endpointViews, hostAddresses, isRunning, openPorts } from './container-inspect.ts';

/** One line of `docker ps`. */
export function summaryView(
  view: ContainerView,
  engine: Engine,
  minor: number,
  nowMs: number,
  size: { rw: number; root: number } | undefined,
): Record<string, unknown> {
  const { definition } = view;
  const personality = definition.personality as unknown as Personality;
  return {
    Id: definition.id,
    Names: [`/${definition.name}`],
    Image: imageName(view, engine),
    ImageID: definition.imageId,
    Command: commandLine(definition.args),
    Created: Math.floor(definition.createdAtMs / 1000),
    Ports: portList(view, engine),
    ...(size === undefined ? {} : { ...(size.rw === 0 ? {} : { SizeRw: size.rw }), SizeRootFs: size.rw + size.root }),
    Labels: definition.labels,
    State: view.state.phase,
    Status: statusText(view, nowMs),
    HostConfig: {
      NetworkMode: personality.HostConfig['NetworkMode'],
      ...(minor >= 46 && personality.HostConfig['Annotations'] !== undefined ? { Annotations: personality.HostConfig['Annotations'] } : {}),
    },
    NetworkSettings: { Networks: endpointViews(view, engine, minor) },
    Mounts: mountViews(view, engine),
  };
}

/** The reference the user wrote, unless it means another image by now: then the id. */
function imageName(view: ContainerView, engine: Engine): string {
  const { imageReference, imageId } = view.definition;
  try {
    if (engine.images.get(imageReference).id === imageId) return imageReference;
  } catch {
    // The name is gone, the image may be too.
  }
  return imageId;
}

function commandLine(args: readonly string[]): string {
  return args.map((arg, index) => (index > 0 && /[\s]/.test(arg) ? `'${arg}'` : arg)).join(' ');
}

/** "Up 3 minutes", "Exited (0) 2 hours ago": `docker ps`'s STATUS column, which the daemon words. */
function statusText(view: ContainerView, nowMs: number): string {
  const { state } = view;
  const since = (ms: number) => humanDuration(Math.max(0, nowMs - ms));
  switch (state.phase) {
    case 'running':
      return `Up ${since(state.startedAtMs)}${healthText(view)}`;
    case 'paused':
      return `Up ${since(state.startedAtMs)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAtMs)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return state.finishedAtMs === 0 ? '' : `Exited (${state.exitCode}) ${since(state.finishedAtMs)} ago`;
  }
}

function healthText({ health }: ContainerView): string {
  if (health === undefined) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

function portList(view: ContainerView, engine: Engine): Record<string, unknown>[] {
  if (!isRunning(view)) return [];
  const published = new Set<string>();
  const list: Record<string, unknown>[] = [];
  for (const publication of view.publications) {
    published.add(`${publication.containerPort}/${publication.protocol}`);
    for (const IP of hostAddresses(publication)) {
      list.push({ IP, PrivatePort: publication.containerPort, PublicPort: publication.hostPort, Type: publication.protocol });
    }
  }
  for (const key of openPorts(view, engine)) {
    if (published.has(key)) continue;
    const [port, Type] = key.split('/');
    list.push({ PrivatePort: Number(port), Type });
  }
  return list;
}
