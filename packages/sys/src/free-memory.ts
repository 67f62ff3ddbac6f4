import koffi from 'koffi';

/** `gc` as V8 offers it; Node's types know less of it. */
type ThoroughCollector = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives memory that was freed but kept by the C library back to the kernel. Worth a call after something large that does
 * not come again soon; takes a few milliseconds.
 */
export function releaseFreedMemory(): void {
  // The thorough kind, which also drops compiled code that rested and empties pages; needs node --expose-gc.
  (globalThis.gc as unknown as ThoroughCollector | undefined)?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  koffi.load('libc.so.6').func('int malloc_trim(size_t pad)')(0);
}
