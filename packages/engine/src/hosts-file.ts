/**
 * /etc/hosts as Docker composes it: the machine's own names, the extra hosts, and the container's name for each of its
 * addresses. `host-gateway` in an extra host stands for the address under which the host is reached.
 */
export function hostsFile(options: {
  readonly hostname: string;
  readonly domainname: string;
  readonly addresses: readonly string[];
  /** `name:address`, as `--add-host` gives them; the address may contain colons and be in brackets. */
  readonly extraHosts: readonly string[];
  readonly hostGateway: string | undefined;
  /** Whole lines for linked containers. */
  readonly links?: readonly string[];
}): string {
  const { hostname, domainname } = options;
  const names = domainname === '' ? hostname : `${hostname}.${domainname} ${hostname}`;
  const lines = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'ff00::\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    ...options.extraHosts.flatMap((line) => {
      const colon = line.indexOf(':');
      const address = line.slice(colon + 1).replace(/^\[(.*)\]$/, '$1');
      if (address !== 'host-gateway') return [`${address}\t${line.slice(0, colon)}`];
      return options.hostGateway === undefined ? [] : [`${options.hostGateway}\t${line.slice(0, colon)}`];
    }),
    ...(options.links ?? []),
    ...options.addresses.map((address) => `${address}\t${names}`),
  ];
  return `${lines.join('\n')}\n`;
}
