import { stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import type { SocketDoor, SocketMount } from '@berth/runtime';
import type { Container } from '../container.ts';
import type { Deps } from '../deps.ts';
import { connectLater } from './late-socket.ts';
import type { BindPoint } from './port.ts';

/** By these every client of Docker's means the daemon that it is talking to, wherever that listens. */
const ownNames: ReadonlySet<string> = new Set(['/var/run/docker.sock', '/run/docker.sock']);

/** Where a socket that was named so is to be found. */
export function socketPath(deps: Deps, source: string): string {
  return deps.endpoint !== undefined && ownNames.has(source) ? deps.endpoint.path : source;
}

/** The mount, if its source is a socket: a file of the host that nothing in a machine could connect to. */
export async function socketMount(deps: Deps, { source, target, readonly }: BindPoint): Promise<SocketMount | undefined> {
  const found = await stat(socketPath(deps, source)).catch(() => undefined);
  if (found?.isSocket() !== true) return undefined;
  return { type: 'socket', target, readonly, mode: found.mode & 0o7777, owner: found.uid, group: found.gid };
}

/** Connects a container with the sockets that were mounted into it, and no others. */
export function doorOf(deps: Deps, container: Container): SocketDoor {
  return (target) => {
    const mount = container.definition.mounts.find((mount) => mount.type === 'bind' && mount.target === target);
    if (mount?.type !== 'bind') return undefined;
    const path = socketPath(deps, mount.source);
    if (path === deps.endpoint?.path) return connectLater(path, deps.endpoint.served);
    // By name each time: whoever serves it may have begun anew since.
    return createConnection({ path, allowHalfOpen: true });
  };
}
