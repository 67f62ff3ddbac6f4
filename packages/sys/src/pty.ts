import koffi from 'koffi';
import { constants, openSync } from 'node:fs';
import { Fault } from '@berth/kit';

const TIOCSWINSZ = 0x5414;

let functions: ReturnType<typeof bind> | undefined;

function bind() {
  const libc = koffi.load('libc.so.6');
  return {
    openpt: libc.func('int posix_openpt(int flags)'),
    grant: libc.func('int grantpt(int fd)'),
    unlock: libc.func('int unlockpt(int fd)'),
    name: libc.func('int ptsname_r(int fd, _Out_ uint8_t *name, size_t size)'),
    ioctl: libc.func('int ioctl(int fd, unsigned long request, ...)'),
  };
}

/** A pseudo-terminal pair; both descriptors are close-on-exec and belong to the caller. */
export interface Pty {
  readonly master: number;
  readonly slave: number;
}

/** Opens a pseudo-terminal. Fault `pty-failed` when the kernel has none left. */
export function openPty(): Pty {
  functions ??= bind();
  const master = functions.openpt(constants.O_RDWR | constants.O_NOCTTY | 0o2000000) as number;
  const name = Buffer.alloc(64);
  if (master < 0 || functions.grant(master) !== 0 || functions.unlock(master) !== 0 || functions.name(master, name, name.length) !== 0) {
    throw new Fault('exhausted', 'pty-failed', 'no pseudo-terminal is left on this machine');
  }
  const slave = openSync(name.toString('latin1', 0, name.indexOf(0)), constants.O_RDWR | constants.O_NOCTTY);
  return { master, slave };
}

/** Tells the terminal's size; the kernel sends SIGWINCH to its foreground group. */
export function resizePty(fd: number, size: { readonly columns: number; readonly rows: number }): void {
  functions ??= bind();
  const window = Buffer.alloc(8);
  window.writeUInt16LE(size.rows, 0);
  window.writeUInt16LE(size.columns, 2);
  if ((functions.ioctl(fd, TIOCSWINSZ, 'void *', window) as number) !== 0) throw new Fault('internal', 'pty-failed', 'the terminal cannot be resized');
}
