import { protocolNumber } from './protocol.ts';

/**
 * The rules of one instance, as text for nft. They never change while Berth runs: a network or a published port is only
 * an element in these sets and maps. Applying the text again replaces the rules and keeps the elements.
 *
 *  bridges       bridges of this instance
 *  internal      those of them without a way out or in
 *  masqueraded   those whose containers leave under the host's address
 *  secluded      those whose containers may not talk to each other (option enable_icc=false)
 *  segments      bridge and subnet: a source address that doesn't belong to its bridge is dropped
 *  gateways      bridge and its own address: the only host address an internal network may ask, and only for names
 *  own_addresses what the bridges themselves have as addresses
 *  hairpins      bridge twice: traffic that comes back into the segment it came from
 *  own_ports     container address, protocol and host port of its own publications
 *  published_any published on all host addresses: protocol and port to container address and port
 *  published_at  published on one host address
 *  bridges6      those of the bridges with IPv6; segments6, own_addresses6, own_ports6, published_any6, published_at6: the same for IPv6
 */
export const setNames = [
  'bridges',
  'internal',
  'masqueraded',
  'secluded',
  'segments',
  'gateways',
  'own_addresses',
  'own_addresses6',
  'hairpins',
  'own_ports',
  'published_any',
  'published_at',
  'bridges6',
  'segments6',
  'own_ports6',
  'published_any6',
  'published_at6',
] as const;
export type SetName = (typeof setNames)[number];

/** Named counters of what the rules refuse; the reason of a drop can be read from them. */
const counterNames = [
  'drop_link_local',
  'drop_loopback',
  'drop_spoofed',
  'drop_internal',
  'drop_isolation',
  'drop_inbound',
  'drop_host',
  'drop_ipv6',
  'drop_router',
] as const;

export function ruleset(table: string): string {
  const chains = ['prerouting_filter', 'prerouting_nat', 'output_nat', 'postrouting_nat', 'input_filter', 'forward_filter', 'from_segment', 'to_segment'];
  return `
table inet ${table} {
${counterNames.map((name) => `  counter ${name} { }`).join('\n')}
  set bridges { type ifname; }
  set internal { type ifname; }
  set masqueraded { type ifname; }
  set secluded { type ifname; }
  set segments { type ifname . ipv4_addr; flags interval; }
  set gateways { type ifname . ipv4_addr; }
  set own_addresses { type ipv4_addr; }
  set own_addresses6 { type ipv6_addr; }
  set hairpins { type ifname . ifname; }
  set own_ports { type ipv4_addr . inet_proto . inet_service; }
  map published_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map published_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  set bridges6 { type ifname; }
  set segments6 { type ifname . ipv6_addr; flags interval; }
  set own_ports6 { type ipv6_addr . inet_proto . inet_service; }
  map published_any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  map published_at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  chain prerouting_filter { type filter hook prerouting priority raw; policy accept; }
  chain prerouting_nat { type nat hook prerouting priority dstnat; policy accept; }
  chain output_nat { type nat hook output priority -100; policy accept; }
  chain postrouting_nat { type nat hook postrouting priority srcnat; policy accept; }
  chain input_filter { type filter hook input priority filter; policy accept; }
  chain forward_filter { type filter hook forward priority filter; policy accept; }
  chain from_segment { }
  chain to_segment { }
}
${chains.map((chain) => `flush chain inet ${table} ${chain}`).join('\n')}
table inet ${table} {
  chain prerouting_filter {
    iifname != @bridges return
    ip daddr 169.254.0.0/16 counter name drop_link_local drop
    ip daddr 127.0.0.0/8 counter name drop_loopback drop
    meta nfproto ipv4 iifname . ip saddr != @segments counter name drop_spoofed drop
    iifname != @bridges6 return
    icmpv6 type { nd-router-advert, nd-redirect } counter name drop_router drop
    ip6 daddr { fd00:ec2::254, fd20:ce::254 } counter name drop_link_local drop
    ip6 daddr { ::1, ::ffff:0:0/96 } counter name drop_loopback drop
    ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report, mld-listener-done } accept
    meta nfproto ipv6 iifname . ip6 saddr != @segments6 counter name drop_spoofed drop
  }
  # A container that asks for its own published port goes to the daemon's socket: where br_netfilter is on, a bridge
  # would have to send the translated frame back through the port it came from, which it doesn't.
  chain prerouting_nat {
    iifname @bridges ip saddr . meta l4proto . th dport @own_ports return
    iifname @bridges6 ip6 saddr . meta l4proto . th dport @own_ports6 return
    dnat ip to ip daddr . meta l4proto . th dport map @published_at
    fib daddr type local dnat ip to meta l4proto . th dport map @published_any
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_at6
    fib daddr type local dnat ip6 to meta l4proto . th dport map @published_any6
  }
  # The kernel has no route_localnet for IPv6: what comes from ::1 can go nowhere else, and is left to the relay.
  chain output_nat {
    dnat ip to ip daddr . meta l4proto . th dport map @published_at
    fib daddr type local dnat ip to meta l4proto . th dport map @published_any
    ip6 daddr ::1 return
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_at6
    fib daddr type local dnat ip6 to meta l4proto . th dport map @published_any6
  }
  # What the host asks from loopback or from the gateway of one network comes from the gateway of the network that it goes
  # to: a container that is in both would send its answer the other way.
  chain postrouting_nat {
    ct status dnat iifname . oifname @hairpins masquerade
    iifname @masqueraded oifname != @bridges masquerade
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ct status dnat ip saddr @own_addresses oifname @bridges masquerade
    ct status dnat ip6 saddr @own_addresses6 oifname @bridges masquerade
  }
  chain input_filter {
    iifname != @bridges return
    meta nfproto ipv6 iifname != @bridges6 counter name drop_ipv6 drop
    ct state established,related accept
    iifname != @internal return
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname . ip daddr @gateways meta l4proto { ${protocolNumber.tcp}, ${protocolNumber.udp} } ct original proto-dst 53 accept
    counter name drop_host drop
  }
  chain forward_filter {
    iifname @bridges jump from_segment
    oifname @bridges jump to_segment
  }
  chain from_segment {
    iifname . oifname @hairpins iifname @secluded ct state new counter name drop_isolation drop
    iifname . oifname @hairpins accept
    meta nfproto ipv6 iifname != @bridges6 counter name drop_ipv6 drop
    iifname @internal counter name drop_internal drop
    ct state established,related accept
    oifname @bridges counter name drop_isolation drop
    accept
  }
  chain to_segment {
    meta nfproto ipv6 oifname != @bridges6 counter name drop_ipv6 drop
    oifname @internal counter name drop_internal drop
    ct state established,related accept
    ct status dnat accept
    counter name drop_inbound drop
  }
}
`;
}
