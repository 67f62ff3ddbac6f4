/**
 * Segments (one bridge each), addresses, names, published ports and the firewall between them. Everything it makes on
 * the host carries Berth's prefix and is found again, adopted or swept after a crash.
 */
export type * from './port.ts';
