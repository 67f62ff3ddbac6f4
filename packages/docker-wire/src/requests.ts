import { z } from 'zod';
import { endpointSchema } from './container-config.ts';
import { goArguments, goBool, goObject, goString, goStringMap, goStrings } from './json.ts';

/** `POST /containers/{id}/exec` */
export const createExecSchema = goObject({
  User: goString(),
  Privileged: goBool(),
  Tty: goBool(),
  ConsoleSize: z.array(z.int()).optional(),
  AttachStdin: goBool(),
  AttachStderr: goBool(),
  AttachStdout: goBool(),
  DetachKeys: goString(),
  Env: goStrings(),
  WorkingDir: goString(),
  Cmd: goArguments(),
});

/** `POST /exec/{id}/start` */
export const startExecSchema = goObject({ Detach: goBool(), Tty: goBool(), ConsoleSize: z.array(z.int()).optional() });

/** `POST /networks/create` */
export const createNetworkSchema = goObject({
  Name: goString(),
  CheckDuplicate: goBool(),
  Driver: goString(),
  Scope: goString(),
  Internal: goBool(),
  Attachable: goBool(),
  Ingress: goBool(),
  ConfigOnly: goBool(),
  ConfigFrom: goObject({ Network: goString() }).optional(),
  EnableIPv4: z.boolean().optional(),
  EnableIPv6: z.boolean().optional(),
  IPAM: goObject({
    Driver: goString(),
    Options: goStringMap(),
    Config: z.array(goObject({ Subnet: goString(), IPRange: goString(), Gateway: goString(), AuxiliaryAddresses: goStringMap() })).default([]),
  }).optional(),
  Options: goStringMap(),
  Labels: goStringMap(),
});

/** `POST /volumes/create` */
export const createVolumeSchema = goObject({
  Name: goString(),
  Driver: goString(),
  DriverOpts: goStringMap(),
  Labels: goStringMap(),
  ClusterVolumeSpec: z.unknown().optional(),
});

/** `POST /networks/{id}/connect` */
export const connectNetworkSchema = goObject({ Container: goString(), EndpointConfig: endpointSchema.optional() });

/** `POST /networks/{id}/disconnect` */
export const disconnectNetworkSchema = goObject({ Container: goString(), Force: goBool() });

export type CreateExecRequest = z.output<typeof createExecSchema>;
export type CreateNetworkRequest = z.output<typeof createNetworkSchema>;
