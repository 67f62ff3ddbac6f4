/**
 * What travels on the wire of the Docker Engine API: request bodies (read as leniently as Go's JSON reads them), the
 * multiplexed stream, filters, moments and durations, ports, signals, detach keys. Pure: no engine, no sockets.
 */
export { createContainerSchema, endpointSchema, healthcheckSchema, hostConfigSchema } from './container-config.ts';
export type { CreateContainerRequest, EndpointRequest, HealthcheckRequest, HostConfigRequest, MountRequest } from './container-config.ts';
export { DetachWatch, defaultDetachKeys, parseDetachKeys } from './detach-keys.ts';
export { Filters, invalidFilter, matchesName } from './filters.ts';
export { FrameReader, frame, frameHeadBytes, writeFrameHead, type StreamName } from './frames.ts';
export { readJson } from './json.ts';
export { parseContainerPorts, parseHostPort, portKey, type ContainerPort } from './ports.ts';
export {
  connectNetworkSchema,
  createExecSchema,
  createNetworkSchema,
  createVolumeSchema,
  disconnectNetworkSchema,
  startExecSchema,
  type CreateExecRequest,
  type CreateNetworkRequest,
} from './requests.ts';
export { authConfigSchema, readRegistryAuth, readRegistryConfig, type AuthConfig } from './registry-auth.ts';
export { parseSignal, requireSignal } from './signals.ts';
export { humanDuration, parseDuration, parseMoment, rfc3339, rfc3339NanoFixed, zeroTime } from './time.ts';
