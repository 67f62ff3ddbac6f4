import { Fault } from '@berth/kit';

export interface ContainerPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

/** `80`, `80/tcp`, `53/udp`, and ranges `7000-7002/tcp`: each port of it. Fault `port-invalid`. */
export function parseContainerPorts(text: string): ContainerPort[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/([a-zA-Z]+))?$/.exec(text);
  const protocol = (match?.[3] ?? 'tcp').toLowerCase();
  if (match === null || !isProtocol(protocol)) throw invalidPort(text);
  const first = Number(match[1]);
  const last = Number(match[2] ?? first);
  if (last < first || last > 65535 || (first === 0 && match[2] !== undefined)) throw invalidPort(text);
  return Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol }));
}

/** A binding's host port: '' or `0` is any (0..0), `8080` one, `8080-8090` the first free of them. Fault `port-invalid`. */
export function parseHostPort(text: string): { readonly first: number; readonly last: number } {
  if (text === '') return { first: 0, last: 0 };
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (match === null || last < first || last > 65535) throw new Fault('invalid', 'port-invalid', `invalid port specification: "${text}"`);
  return { first, last };
}

export function portKey(port: ContainerPort): string {
  return `${port.port}/${port.protocol}`;
}

function isProtocol(text: string): text is ContainerPort['protocol'] {
  return text === 'tcp' || text === 'udp' || text === 'sctp';
}

function invalidPort(text: string): Fault {
  return new Fault('invalid', 'port-invalid', `invalid port specification: "${text}"`);
}
