import koffi from 'koffi';
import { systemFault } from './libc.ts';

const CLONE_NEWNET = 0x40000000;

/**
 * Moves the calling thread, and whatever it starts from now on, into a network namespace of its own, which goes with it.
 * For tests and tools that must not touch the host's links. Root only.
 */
export function enterOwnNetwork(): void {
  const unshare = koffi.load('libc.so.6').func('int unshare(int flags)');
  if ((unshare(CLONE_NEWNET) as number) !== 0) throw systemFault('leaving the network namespace');
}
