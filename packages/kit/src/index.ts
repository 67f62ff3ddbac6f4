/**
 * The words every other package speaks: faults, ids, clocks and small lifetimes. It depends on nothing but Node and
 * touches nothing outside the process.
 */
export { abortable } from './abortable.ts';
export { kernelCapabilities } from './capability.ts';
export { Fault, isFault, type FaultKind } from './fault.ts';
export { newId, shortId, type ContainerId, type ImageId, type NetworkId } from './id.ts';
