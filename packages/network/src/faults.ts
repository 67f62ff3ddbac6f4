import { Fault } from '@berth/kit';

/**
 * Every fault of this package. Sentences that a docker user sees are the ones the Docker Engine uses for the same case;
 * the kinds give the Docker API's status for it (403 for a taken address, 500 for a taken port); what the engine puts in front of them ("failed to set up container networking: …") is the caller's.
 */
export const networkFault = {
  configuration: (code: 'subnet-invalid' | 'gateway-invalid' | 'range-invalid' | 'reserved-invalid', sentence: string) =>
    new Fault('invalid', code, `invalid network config:\n${sentence}`),
  subnetOverlaps: () => new Fault('forbidden', 'subnet-overlaps', 'invalid pool request: Pool overlaps with other one on this address space'),
  spaceExhausted: () => new Fault('exhausted', 'address-space-exhausted', 'all predefined address pools have been fully subnetted'),
  addressInvalid: (family: 'IPv4' | 'IPv6', address: string) => new Fault('invalid', 'address-invalid', `invalid ${family} address: ${address}`),
  addressOutside: (address: string) => new Fault('invalid', 'address-outside', `no configured subnet or ip-range contain the IP address ${address}`),
  addressInUse: () => new Fault('forbidden', 'address-in-use', 'Address already in use'),
  addressesExhausted: (family: 'IPv4' | 'IPv6', name: string, id: string) =>
    new Fault('exhausted', 'addresses-exhausted', `no available ${family} addresses on this network's address pools: ${name} (${id})`),
  macInvalid: (mac: string) => new Fault('invalid', 'mac-invalid', `invalid MAC address: ${mac}`),
  macInUse: (mac: string) => new Fault('conflict', 'mac-in-use', `MAC address ${mac} is already in use on this network`),
  portInUse: (hostAddress: string, port: number) =>
    new Fault('exhausted', 'port-in-use', `Bind for ${hostAddress === '' ? '0.0.0.0' : hostAddress}:${port} failed: port is already allocated`),
  portsExhausted: () => new Fault('exhausted', 'port-in-use', 'all ports are allocated'),
  portForeign: (transport: string, socket: string, reason: string) => new Fault('exhausted', 'port-in-use', `listen ${transport} ${socket}: bind: ${reason}`),
  hostAddressUnavailable: (transport: string, socket: string) =>
    new Fault('invalid', 'address-unavailable', `listen ${transport} ${socket}: bind: cannot assign requested address`),
  hostAddressInvalid: (address: string) => new Fault('invalid', 'address-unavailable', `invalid IP address: ${address}`),
  portInvalid: (port: number) => new Fault('invalid', 'port-invalid', `invalid port number: ${port}`),
  prefixInvalid: (prefix: string) =>
    new Fault('invalid', 'prefix-invalid', `an instance prefix is 1 to 6 of a-z and 0-9, beginning with a letter, not "${prefix}"`),
  seclusionUnsupported: () =>
    new Fault('unsupported', 'seclusion-unsupported', 'enable_icc=false needs the kernel module br_netfilter, which this host does not have'),
};
