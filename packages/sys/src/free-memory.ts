import koffi from 'koffi';

/**
 * Gives memory that was freed but kept by the C library back to the kernel. Worth a call after something large that does
 * not come again soon; takes a few milliseconds.
 */
export function releaseFreedMemory(): void {
  globalThis.gc?.();
  koffi.load('libc.so.6').func('int malloc_trim(size_t pad)')(0);
}
