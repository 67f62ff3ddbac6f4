import { isFault } from '@berth/kit';
import { closeSync, constants, openSync } from 'node:fs';
import { libc, systemFault, unixSocket } from './libc.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETVNETHDRSZ = 0x400454d8;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_UP = 1;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFMTU = 0x8922;
const SIOCGIFINDEX = 0x8933;
const SIOCBRADDIF = 0x89a2;
const SIOCBRDELIF = 0x89a3;
/** Room for `struct ifreq`: a name of 16 bytes and a union of 24. */
const IFREQ_BYTES = 40;

function interfaceRequest(name: string): Buffer {
  if (name.length === 0 || name.length > 15) throw new RangeError(`${name} is no name for a link`);
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name, 0, 'latin1');
  return request;
}

/**
 * Makes a tap in the calling process's network namespace. It is not persistent: it goes with the last process that holds
 * the descriptor. With `vnetHeader`, packets carry a virtio header of 12 bytes (checksums and segmentation offloaded).
 */
export function openTap(name: string, options: { vnetHeader: boolean }): number {
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const request = interfaceRequest(name);
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI | (options.vnetHeader ? IFF_VNET_HDR : 0), 16);
  if (libc().ioctl(fd, TUNSETIFF, request) !== 0) {
    const fault = systemFault(`making the tap ${name}`);
    closeSync(fd);
    throw fault;
  }
  if (options.vnetHeader) {
    const size = Buffer.alloc(4);
    size.writeInt32LE(12, 0);
    libc().ioctl(fd, TUNSETVNETHDRSZ, size);
  }
  return fd;
}

let control: number | undefined;

/** Any socket of the namespace serves for interface requests; one is kept. */
function request(what: string, code: number, argument: Buffer): void {
  control ??= unixSocket();
  if (libc().ioctl(control, code, argument) !== 0) throw systemFault(what);
}

/** The kernel's number of a link. Fault `system-call-failed` (ENODEV) when there is none of that name. */
function linkIndex(name: string): number {
  const argument = interfaceRequest(name);
  request(`looking up ${name}`, SIOCGIFINDEX, argument);
  return argument.readInt32LE(16);
}

/** Whether the calling process's network namespace has a link of that name. */
export function linkExists(name: string): boolean {
  try {
    linkIndex(name);
    return true;
  } catch (error) {
    if (isFault(error, 'system-call-failed')) return false;
    throw error;
  }
}

export function setLinkUp(name: string, up: boolean): void {
  const argument = interfaceRequest(name);
  request(`reading the flags of ${name}`, SIOCGIFFLAGS, argument);
  const flags = argument.readUInt16LE(16);
  argument.writeUInt16LE(up ? flags | IFF_UP : flags & ~IFF_UP, 16);
  request(`switching ${name} ${up ? 'on' : 'off'}`, SIOCSIFFLAGS, argument);
}

export function setLinkMtu(name: string, mtu: number): void {
  const argument = interfaceRequest(name);
  argument.writeInt32LE(mtu, 16);
  request(`setting the mtu of ${name}`, SIOCSIFMTU, argument);
}

export function attachToBridge(bridge: string, link: string): void {
  const argument = interfaceRequest(bridge);
  argument.writeInt32LE(linkIndex(link), 16);
  request(`attaching ${link} to ${bridge}`, SIOCBRADDIF, argument);
}

export function detachFromBridge(bridge: string, link: string): void {
  const argument = interfaceRequest(bridge);
  argument.writeInt32LE(linkIndex(link), 16);
  request(`detaching ${link} from ${bridge}`, SIOCBRDELIF, argument);
}
