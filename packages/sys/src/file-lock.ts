import koffi from 'koffi';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { Fault } from '@berth/kit';

const LOCK_EXCLUSIVE = 2;
const LOCK_NONBLOCKING = 4;

let flock: ReturnType<typeof bind> | undefined;
const bind = () => koffi.load('libc.so.6').func('int flock(int fd, int operation)');

/** A lock that the kernel gives up when the process ends, however it ends. */
export interface FileLock extends Disposable {
  readonly path: string;
}

/**
 * Takes the lock file for this process alone and writes the process id into it, for people. The file stays when the lock
 * goes: removing it would let two processes hold different files of one name. Fault `locked` (conflict) names the holder.
 */
export function lockFile(path: string): FileLock {
  flock ??= bind();
  // Close-on-exec (Node opens so): a virtual machine that outlives the daemon must not keep its lock.
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if ((flock(fd, LOCK_EXCLUSIVE | LOCK_NONBLOCKING) as number) !== 0) {
    closeSync(fd);
    const holder = readFileSync(path, 'utf8').trim();
    throw new Fault('conflict', 'locked', `${path} is held by ${holder === '' ? 'another process' : `process ${holder}`}`);
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`, 0);
  let held = true;
  return {
    path,
    [Symbol.dispose]() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}
