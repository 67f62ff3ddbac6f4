/**
 * Segments (one bridge each), addresses, names, published ports and the firewall between them. Everything it makes on
 * the host carries Berth's prefix and is found again, adopted or swept after a crash.
 */
export { HostNetworking, type HostNetworkingDependencies, type NetworkLog } from './host-networking.ts';
export type * from './port.ts';
