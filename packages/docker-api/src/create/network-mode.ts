import type { CreateContainerRequest, HostConfigRequest } from '@berth/docker-wire';
import type { Engine } from '@berth/engine';
import { isFault } from '@berth/kit';
import { cannotBe, invalid } from '../faults.ts';

/** The name a mode means: '' and `default` are the network every container joins unless told otherwise. */
export function modeNetwork(mode: string): string {
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

/**
 * The modes that share somebody's network stack. What is wrong with the request is said first, in Docker's words and as
 * Docker would have said it; then that there is no such mode here, and the way to what is wanted.
 */
export function checkMode(request: CreateContainerRequest, host: HostConfigRequest, engine: Engine): void {
  const mode = host.NetworkMode;
  if (mode === 'host') {
    if (host.Links.length > 0) throw conflict("host type networking can't be used with links. This would result in undefined behavior");
    throw cannotBe(
      '--network host',
      "a container is a virtual machine with a network stack of its own. Publish the ports it listens on with -p, or all that its image exposes with -P; it reaches the host's services under the name host.docker.internal with --add-host host.docker.internal:host-gateway",
    );
  }
  if (!mode.startsWith('container:')) return;
  const reference = mode.slice('container:'.length);
  if (reference === '') throw invalid('mode-invalid', 'Invalid network mode: invalid container format container:<name|id>');
  if (request.Hostname !== '') throw conflict('hostname and the network mode');
  if (host.Links.length > 0) throw conflict("container type network can't be used with links. This would result in undefined behavior");
  if (host.Dns.length > 0) throw conflict('dns and the network mode');
  if (host.ExtraHosts.length > 0) throw conflict('custom host-to-IP mapping and the network mode');
  if (request.MacAddress !== '') throw conflict('mac-address and the network mode');
  if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts) throw conflict('port publishing and the container type network mode');
  if (Object.keys(request.ExposedPorts).length > 0) throw conflict('port exposing and the container type network mode');
  const other = nameOf(reference, engine);
  throw cannotBe(
    `--network ${mode}`,
    `${other} is a virtual machine with a network stack of its own, which cannot be shared with a second one. Put both on one network of your own (docker network create), where each reaches the other under its name`,
  );
}

/** Not found is said as a bad request: to a client, a create that finds nothing means that the image is missing. */
function nameOf(reference: string, engine: Engine): string {
  try {
    return engine.container(reference).definition.name;
  } catch (error) {
    if (isFault(error, 'container-not-found')) throw invalid('mode-container', error.message);
    throw error;
  }
}

function conflict(what: string): Error {
  return invalid('mode-conflict', `conflicting options: ${what}`);
}
