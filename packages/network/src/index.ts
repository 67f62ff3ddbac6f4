/**
 * Segments (one bridge each), addresses, names, published ports and the firewall between them. Everything it makes on
 * the host carries Berth's prefix and is found again, adopted or swept after a crash.
 */
export { HostNetworking, type HostNetworkingDependencies } from './host-networking.ts';
export type { NetworkLog } from './log.ts';
export { namesFor } from './names.ts';
export type * from './port.ts';
