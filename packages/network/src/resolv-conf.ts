import { isIPv4, isIPv6 } from 'node:net';

export interface ResolvConfRequest {
  /** Where the container asks, in this order. Empty: the host's own list, without what only the host can reach. */
  readonly servers: readonly string[];
  /** From the host's /etc/resolv.conf. */
  readonly host: string;
  /** `--dns-search`; empty: the host's; `.`: none. */
  readonly search: readonly string[];
  /** `--dns-option`; empty: the host's. */
  readonly options: readonly string[];
  /** Our own resolver answers: single names are asked as they are. */
  readonly ownResolver: boolean;
}

/** Public servers that Docker falls back to when the host has only loopback ones. */
const fallbackServers = ['8.8.8.8', '8.8.4.4'];

/** The contents of a container's /etc/resolv.conf, by Docker's rules. */
export function resolvConfText(request: ResolvConfRequest): string {
  const host = parse(request.host);
  const reachable = host.servers.filter((server) => !server.startsWith('127.') && server !== '::1' && (isIPv4(server) || isIPv6(server)));
  const servers = request.servers.length > 0 ? request.servers : reachable.length > 0 ? reachable : fallbackServers;
  const search = request.search.length > 0 ? request.search.filter((domain) => domain !== '.') : host.search;
  const options = [...(request.options.length > 0 ? request.options : host.options)];
  if (request.ownResolver && !options.some((option) => option.startsWith('ndots:'))) options.push('ndots:0');
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    '',
  ].join('\n');
}

function parse(text: string): { servers: string[]; search: string[]; options: string[] } {
  const servers: string[] = [];
  let search: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...rest] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (word === 'nameserver' && rest[0] !== undefined) servers.push(rest[0]);
    else if (word === 'search' || word === 'domain') search = rest;
    else if (word === 'options') options = rest;
  }
  return { servers, search, options };
}
