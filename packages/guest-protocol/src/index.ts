/**
 * Frames between a host and the agent that holds a container: the codec and the host's side of the conversation. Pure:
 * it is given a byte stream and never opens one. The protocol is described in `docs/design/guest-protocol.md`.
 */
export type * from './port.ts';
export { GuestConnection } from './connection.ts';
export { type OpenSpool, type Spool, SPOOL_BYTES } from './spool.ts';
