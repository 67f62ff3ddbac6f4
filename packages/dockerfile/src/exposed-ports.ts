import { dockerfileInvalid } from './faults.ts';

/** `80`, `80/udp`, `8000-8010/tcp` → Docker's set of `port/protocol`. */
export function exposedPorts(words: readonly string[]): Record<string, object> {
  const ports: Record<string, object> = {};
  for (const word of words) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/.exec(word);
    if (match === null) throw dockerfileInvalid(`Invalid containerPort: ${word.split('/')[0]}`);
    const [, first = '', last = first, protocol = 'tcp'] = match;
    const kind = protocol.toLowerCase();
    if (!['tcp', 'udp', 'sctp'].includes(kind)) throw dockerfileInvalid(`Invalid proto: ${protocol}`);
    const from = Number(first);
    const to = Number(last);
    if (to > 65_535) throw dockerfileInvalid(`Invalid containerPort: ${word.split('/')[0]}`);
    if (to < from) throw dockerfileInvalid(`Invalid containerPort: ${word.split('/')[0]}`);
    for (let port = from; port <= to; port++) ports[`${port}/${kind}`] = {};
  }
  return ports;
}
