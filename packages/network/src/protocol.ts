/** By number, since a small system has no /etc/protocols in which nft could look up the names. */
export const protocolNumber = { tcp: 6, udp: 17 } as const;
