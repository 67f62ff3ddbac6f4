/**
 * What isolates a container, as a port. Adapters (`runtime-microvm`, later `runtime-host`) and the fake implement
 * `Runtime`; the conformance suite exported by `./conformance` is the definition of what they must do.
 */
export type * from './port.ts';
export type * from './files.ts';
export { disksOf } from './disks.ts';
