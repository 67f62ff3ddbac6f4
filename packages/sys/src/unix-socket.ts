import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { AF_UNIX, libc, SOCK_CLOEXEC, SOCK_STREAM, systemFault, unixAddress, unixSocket } from './libc.ts';

/**
 * A listening unix socket, to be inherited by a child: whoever connects from now on waits in its queue, so nobody has to
 * poll for the child to be up. The caller closes the descriptor and removes the path.
 */
export function listenUnix(path: string): number {
  const address = unixAddress(path);
  const fd = unixSocket();
  if (libc().bind(fd, address, address.length) !== 0 || libc().listen(fd, 8) !== 0) {
    const fault = systemFault(`listening on ${path}`);
    closeSync(fd);
    throw fault;
  }
  return fd;
}

/** A connected unix socket; give it to `new net.Socket({ fd })`. Fault `system-call-failed` when nobody listens there. */
export function connectUnix(path: string): number {
  const address = unixAddress(path);
  const fd = unixSocket();
  if (libc().connect(fd, address, address.length) !== 0) {
    const fault = systemFault(`connecting to ${path}`);
    closeSync(fd);
    throw fault;
  }
  return fd;
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const CMSG_HEADER_BYTES = 16;

/** Two connected stream sockets of the unix family, close-on-exec. */
export function socketPair(): [number, number] {
  const pair = Buffer.alloc(8);
  if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw systemFault('socketpair');
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** Sends a few bytes together with descriptors (SCM_RIGHTS, unix(7)) on a unix socket on which nothing waits to be sent. */
export function sendDescriptors(socket: number, data: Buffer, descriptors: readonly number[]): void {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(koffi.address(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const controlBytes = CMSG_HEADER_BYTES + 4 * descriptors.length;
  const control = Buffer.alloc(Math.ceil(controlBytes / 8) * 8);
  control.writeBigUInt64LE(BigInt(controlBytes), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CMSG_HEADER_BYTES + 4 * index);
  const message = Buffer.alloc(56);
  message.writeBigUInt64LE(koffi.address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(koffi.address(control), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  const sent = Number(libc().sendmsg(socket, message, 0x4000 /* MSG_NOSIGNAL */));
  if (sent !== data.length) throw systemFault('sending a descriptor');
}
