import { Fault, shortId } from '@berth/kit';

// The sentences are the ones that Docker's clients, and scripts around them, know.
export const containerNotFound = (reference: string) => new Fault('not-found', 'container-not-found', `No such container: ${reference}`);
export const containerAmbiguous = (reference: string) => new Fault('invalid', 'container-ambiguous', `Multiple IDs found with provided prefix: ${reference}`);
export const nameInvalid = (name: string) =>
  new Fault('invalid', 'name-invalid', `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
export const nameInUse = (name: string, id: string) =>
  new Fault(
    'conflict',
    'name-in-use',
    `Conflict. The container name "/${name}" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
export const sameName = () => new Fault('invalid', 'name-unchanged', 'Renaming a container with the same name as its current name');
export const runtimeUnknown = (name: string) => new Fault('invalid', 'runtime-unknown', `unknown or invalid runtime name: ${name}`);
export const commandMissing = () => new Fault('invalid', 'command-missing', 'no command specified');

export const alreadyStarted = () => new Fault('unchanged', 'already-started', 'container is already running');
export const alreadyStopped = () => new Fault('unchanged', 'already-stopped', 'container is already stopped');
export const startPaused = () => new Fault('conflict', 'paused', 'cannot start a paused container, try unpause instead');
export const startRemoving = () => new Fault('conflict', 'removing', 'container is marked for removal and cannot be started');
export const notRunning = (id: string) => new Fault('conflict', 'not-running', `container ${id} is not running`);
export const isRestarting = (id: string) => new Fault('conflict', 'restarting', `Container ${id} is restarting, wait until the container is running`);
export const killNotRunning = (reference: string, id: string) =>
  new Fault('conflict', 'not-running', `cannot kill container: ${reference}: container ${id} is not running`);
export const paused = (id: string) => new Fault('conflict', 'paused', `container ${id} is paused, unpause the container before exec`);
export const attachPaused = () => new Fault('conflict', 'paused', 'container is paused, unpause the container before attach');
export const alreadyPaused = (id: string) => new Fault('conflict', 'already-paused', `container ${id} is already paused`);
export const notPaused = (id: string) => new Fault('conflict', 'not-paused', `Container ${id} is not paused`);
export const removeRunning = (name: string, phase: 'running' | 'restarting' = 'running') =>
  new Fault('conflict', phase, `cannot remove container "/${name}": container is ${phase}: stop the container before removing or force remove`);
export const removePaused = (name: string) =>
  new Fault('conflict', 'paused', `cannot remove container "/${name}": container is paused and must be unpaused first`);
export const removalInProgress = (reference: string) => new Fault('conflict', 'removing', `removal of container ${reference} is already in progress`);
export const wouldNotDie = (id: string) => new Fault('deadline', 'would-not-die', `container ${shortId(id)} could not be ended in time`);
export const startAborted = (id: string) =>
  new Fault('conflict', 'start-aborted', `the start of container ${shortId(id)} was given up: the container is being removed`);
export const updateRemoving = (id: string) => new Fault('conflict', 'removing', `Container ${id} is marked for removal and cannot be "update".`);
export const restartWithRemoval = () =>
  new Fault('invalid', 'restart-conflict', 'Restart policy cannot be updated because AutoRemove is enabled for the container');
export const limitBelowUse = (limitBytes: number, usedBytes: number) =>
  new Fault(
    'conflict',
    'limit-below-use',
    `its processes use ${Math.ceil(usedBytes / 2 ** 20)} MiB, which is more than a limit of ${Math.floor(limitBytes / 2 ** 20)} MiB`,
  );
export const fileNotFound = (path: string, reference: string) =>
  new Fault('not-found', 'file-not-found', `Could not find the file ${path} in container ${reference}`);
export const volumeReadOnly = () => new Fault('forbidden', 'volume-read-only', 'mounted volume is marked read-only');
export const volumeOutOfReach = (path: string, target: string, name: string) =>
  new Fault(
    'unsupported',
    'volume-out-of-reach',
    `${path} lies in the volume at ${target} of container ${name}, which is a disk and can be reached only while it runs`,
  );
export const rootReadOnly = () => new Fault('forbidden', 'root-read-only', 'container rootfs is marked read-only');
export const filesRemoving = (reference: string) =>
  new Fault('conflict', 'removing', `container ${reference} is marked for removal: its files are out of reach`);
export const outsideOf = (name: string, path: string) =>
  new Fault('invalid', 'archive-invalid', `${JSON.stringify(name)} is outside of ${JSON.stringify(path)}`);
export const engineClosed = () => new Fault('unavailable', 'engine-closed', 'the engine is shutting down');

export const logRotatedAway = () =>
  new Fault('conflict', 'log-rotated', 'the log was rotated faster than it was read: what comes next has been dropped; ask again for what is left');
export const logsUnreadable = () => new Fault('unsupported', 'logs-unreadable', 'configured logging driver does not support reading');

export const execNotFound = (id: string) => new Fault('not-found', 'exec-not-found', `No such exec instance: ${id}`);
export const execStarted = (id: string) => new Fault('conflict', 'exec-started', `Error: Exec command ${id} is already running`);
export const execEnded = (id: string) => new Fault('conflict', 'exec-ended', `Error: Exec command ${id} has already run`);

export const networkNotFound = (reference: string) => new Fault('not-found', 'network-not-found', `network ${reference} not found`);
export const networkAmbiguous = (reference: string) =>
  new Fault('invalid', 'network-ambiguous', `network ${reference} is ambiguous (multiple matches found on name or id)`);
export const networkNameInUse = (name: string) => new Fault('conflict', 'network-name-in-use', `network with name ${name} already exists`);
export const networkNameInvalid = () => new Fault('invalid', 'network-name-invalid', 'invalid network name: name is empty');
export const networkPredefined = (name: string) => new Fault('forbidden', 'network-predefined', `operation is not permitted on predefined ${name} network `);
export const networkNotRemovable = (name: string) => new Fault('forbidden', 'network-predefined', `${name} is a pre-defined network and cannot be removed`);
export const networkDriverUnknown = (driver: string) =>
  new Fault('not-found', 'network-driver-unknown', `could not find plugin ${driver} in v1 plugin registry: plugin not found`);
export const networkBusy = (name: string, id: string, endpoints: readonly { readonly name: string; readonly id: string }[]) =>
  new Fault(
    'forbidden',
    'network-busy',
    `error while removing network: network ${name} id ${id} has active endpoints (${endpoints.map((one) => `name:"${one.name}" id:"${shortId(one.id)}"`).join(', ')})`,
  );
export const hostNetwork = () =>
  new Fault('unsupported', 'host-network', "the host's network is not available: each container is a machine of its own. Publish its ports with -p instead.");
export const containerNetwork = () =>
  new Fault(
    'unsupported',
    'container-network',
    "a container cannot share another's network: each container is a machine of its own. Put both on one network instead.",
  );
export const alreadyConnected = (container: string, network: string) =>
  new Fault('forbidden', 'already-connected', `endpoint with name ${container} already exists in network ${network}`);
export const notConnected = (id: string, network: string) => new Fault('forbidden', 'not-connected', `container ${id} is not connected to network ${network}`);
export const linkNotRunning = (target: string, container: string, alias: string) =>
  new Fault('invalid', 'link-not-running', `Cannot link to a non running container: /${target} AS /${container}/${alias}`);
export const linkNotOnDefault = (target: string) =>
  new Fault('invalid', 'link-not-on-default', `Cannot link to /${target}, as it does not belong to the default network`);
export const endpointNotFound = (reference: string) => new Fault('not-found', 'endpoint-not-found', `endpoint ${reference} not found`);
export const privateNetwork = () =>
  new Fault('forbidden', 'private-network', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
export const addressNotOnDefault = () => new Fault('invalid', 'address-on-default', 'user specified IP address is supported on user defined networks only');
export const addressNeedsSubnet = () =>
  new Fault(
    'invalid',
    'address-needs-subnet',
    'invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets',
  );
export const aliasesOnDefault = () =>
  new Fault('invalid', 'aliases-on-default', 'network-scoped alias is supported only for containers in user defined networks');

export const volumeNotFound = (name: string) => new Fault('not-found', 'volume-not-found', `get ${name}: no such volume`);
export const volumeInUse = (name: string, users: readonly string[]) =>
  new Fault('conflict', 'volume-in-use', `remove ${name}: volume is in use - [${users.join(', ')}]`);
export const volumeNameInvalid = (name: string) =>
  new Fault(
    'invalid',
    'volume-name-invalid',
    name.length < 2
      ? 'volume name is too short, names should be at least two alphanumeric characters'
      : `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
export const volumeDriverUnknown = (driver: string) =>
  new Fault('not-found', 'volume-driver-unknown', `error looking up volume plugin ${driver}: plugin "${driver}" not found`);
export const volumeOptionInvalid = (name: string, sentence: string) => new Fault('invalid', 'volume-option-invalid', `create ${name}: ${sentence}`);
export const volumeOptionUnsupported = (name: string, sentence: string) => new Fault('unsupported', 'volume-option-unsupported', `create ${name}: ${sentence}`);
export const volumeKindConflict = (name: string) =>
  new Fault('conflict', 'volume-kind-conflict', `the volume ${name} exists already and is of another type: remove it first, or choose another name`);
export const volumeHeld = (name: string, container: string) =>
  new Fault(
    'conflict',
    'volume-held',
    `the volume ${name} is a disk (type=block), which one container at a time can run on, and "${container}" does: stop that one first`,
  );
export const volumeDeviceMissing = (device: string) =>
  new Fault('invalid', 'volume-device-missing', `failed to mount local volume: ${device}: no such file or directory`);
export const bindSourceMissing = (path: string) =>
  new Fault('invalid', 'bind-source-missing', `invalid mount config for type "bind": bind source path does not exist: ${path}`);
export const bindSourceUnmade = (path: string, cause: unknown) =>
  new Fault('invalid', 'bind-source-unmade', `error while creating mount source path '${path}': ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });

export const rowUnreadable = (what: string, cause: unknown) =>
  new Fault(
    'unavailable',
    'state-unreadable',
    `the stored ${what} cannot be read by this version of Berth: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
