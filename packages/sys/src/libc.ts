import koffi from 'koffi';
import { Fault } from '@berth/kit';

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_CLOEXEC = 0o2000000;

function bind() {
  const libc = koffi.load('libc.so.6');
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    socketpair: libc.func('int socketpair(int domain, int type, int protocol, void *pair)'),
    bind: libc.func('int bind(int fd, const void *address, uint32_t size)'),
    listen: libc.func('int listen(int fd, int backlog)'),
    connect: libc.func('int connect(int fd, const void *address, uint32_t size)'),
    sendmsg: libc.func('int64_t sendmsg(int fd, const void *message, int flags)'),
    send: libc.func('int64_t send(int fd, const void *data, size_t size, int flags)'),
    recv: libc.func('int64_t recv(int fd, void *data, size_t size, int flags)'),
    ioctl: libc.func('int ioctl(int fd, unsigned long request, void *argument)'),
    lseek: libc.func('int64_t lseek(int fd, int64_t offset, int whence)'),
    copyFileRange: libc.func('int64_t copy_file_range(int in, void *inAt, int out, void *outAt, size_t size, uint32_t flags)'),
  };
}

let functions: ReturnType<typeof bind> | undefined;

/** The few functions of the C library that Node has no door to. Bound at first use. */
export function libc(): ReturnType<typeof bind> {
  functions ??= bind();
  return functions;
}

/** The last error of a call that has just failed on this thread, as a Fault with the code `system-call-failed`. */
export function systemFault(what: string): Fault {
  const number = koffi.errno();
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `error ${number}`;
  return new Fault('internal', 'system-call-failed', `${what}: ${name}`);
}

/** `struct sockaddr_un`. Fault `path-too-long` above 107 bytes, the kernel's limit. */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > 107) throw new Fault('invalid', 'path-too-long', `the socket path ${path} is longer than 107 bytes`);
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  return address.subarray(0, 2 + bytes.length + 1);
}

/** A close-on-exec stream socket of the unix family. */
export function unixSocket(): number {
  const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) throw systemFault('socket');
  return fd;
}
