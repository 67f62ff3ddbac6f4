import { decode, encode, type Answer, type DecodedPacket, type Packet } from 'dns-packet';
import { formatAddress } from './addresses.ts';
import type { NameView } from './names.ts';

/** What to do with a question: say this, pass it on, or say nothing at all. */
export type Verdict = { readonly kind: 'answer'; readonly message: Buffer } | { readonly kind: 'forward' } | { readonly kind: 'ignore' };

/** Short, so that a program which caches names follows a container that was replaced. */
const ttlSeconds = 5;

const rcode = { formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;
const recursionDesired = 0x100;
const recursionAvailable = 0x80;
const truncated = 0x200;

const headerBytes = 12;
/** RFC 1035 4.2.1: what fits into a datagram when the asker says nothing else. */
const plainLimitBytes = 512;
/** What reaches every asker in one piece over an ordinary segment. */
const datagramLimitBytes = 1232;
const messageLimitBytes = 65_535;

/** Decides about one message from a container. Never throws, whatever the bytes are. RFC 1035, RFC 8020 for empty answers. */
export function decide(message: Buffer, view: NameView, transport: 'udp' | 'tcp'): Verdict {
  if (message.length < headerBytes || (message.readUInt16BE(2) & 0x8000) !== 0) return { kind: 'ignore' };
  const header = { id: message.readUInt16BE(0), flags: message.readUInt16BE(2) };
  let query: DecodedPacket;
  try {
    query = decode(message);
  } catch {
    return { kind: 'answer', message: bare(header, rcode.formatError) };
  }
  if (((header.flags >>> 11) & 0xf) !== 0) return { kind: 'answer', message: bare(header, rcode.notImplemented) };
  const question = query.questions?.[0];
  if (question === undefined || query.questions?.length !== 1) return { kind: 'answer', message: bare(header, rcode.formatError) };

  const reply = (code: number, answers: Answer[]): Verdict => ({
    kind: 'answer',
    message: fit(
      { id: header.id, type: 'response', flags: (header.flags & recursionDesired) | recursionAvailable | code, questions: [question], answers },
      transport === 'tcp' ? messageLimitBytes : Math.min(datagramLimitBytes, limitOf(query)),
    ),
  });
  const forward = (): Verdict => (view.recursion ? { kind: 'forward' } : reply(rcode.serverFailure, []));

  try {
    if (question.class !== undefined && question.class !== 'IN' && question.class !== 'ANY') return forward();
    const name = question.name.toLowerCase();
    if (question.type === 'PTR') {
      const address = reversed(name);
      const found = address === undefined ? undefined : view.reverse(address);
      if (found === null) return reply(rcode.nameError, []);
      return found === undefined ? forward() : reply(0, [{ type: 'PTR', name: question.name, ttl: ttlSeconds, class: 'IN', data: found }]);
    }
    const found = view.lookup(name);
    if (found === undefined) return forward();
    const type = String(question.type);
    const record = (of: 'A' | 'AAAA') => (data: string) => ({ type: of, name: question.name, ttl: ttlSeconds, class: 'IN' as const, data });
    // The name exists: a type it doesn't have is an empty answer, not an error, or resolvers would give up on it.
    return reply(0, [
      ...(type === 'A' || type === 'ANY' ? found.ipv4.map(record('A')) : []),
      ...(type === 'AAAA' || type === 'ANY' ? found.ipv6.map(record('AAAA')) : []),
    ]);
  } catch {
    return { kind: 'answer', message: bare(header, rcode.serverFailure) };
  }
}

/** For askers who are none of ours: nothing but that. `undefined` for what isn't a question. */
export function refusal(message: Buffer): Buffer | undefined {
  if (message.length < headerBytes || (message.readUInt16BE(2) & 0x8000) !== 0) return undefined;
  return bare({ id: message.readUInt16BE(0), flags: message.readUInt16BE(2) }, rcode.refused);
}

/** SERVFAIL for a message that `decide` wanted forwarded. */
export function serverFailure(message: Buffer): Buffer {
  const header = { id: message.readUInt16BE(0), flags: message.readUInt16BE(2) };
  try {
    const questions = decode(message).questions ?? [];
    return encode({ id: header.id, type: 'response', flags: (header.flags & recursionDesired) | recursionAvailable | rcode.serverFailure, questions });
  } catch {
    return bare(header, rcode.serverFailure);
  }
}

/** How many bytes the asker of this message takes back in one datagram. RFC 6891 6.2.3. */
export function datagramLimit(message: Buffer): number {
  try {
    return limitOf(decode(message));
  } catch {
    return plainLimitBytes;
  }
}

/** The same message without its records and with the mark that tells the asker to come again over TCP. */
export function truncate(message: Buffer): Buffer {
  const header = { id: message.readUInt16BE(0), flags: message.readUInt16BE(2) };
  try {
    const questions = decode(message).questions ?? [];
    return encode({ id: header.id, type: 'response', flags: (header.flags & 0x7fff) | truncated, questions });
  } catch {
    return bare(header, rcode.serverFailure);
  }
}

function limitOf(query: DecodedPacket): number {
  const option = query.additionals?.find((record) => record.type === 'OPT') as { udpPayloadSize?: number } | undefined;
  return Math.max(plainLimitBytes, option?.udpPayloadSize ?? plainLimitBytes);
}

function fit(packet: Packet, limit: number): Buffer {
  const whole = encode(packet);
  return whole.length <= limit ? whole : encode({ ...packet, flags: (packet.flags ?? 0) | truncated, answers: [] });
}

function bare(header: { id: number; flags: number }, code: number): Buffer {
  const message = Buffer.alloc(headerBytes);
  message.writeUInt16BE(header.id, 0);
  message.writeUInt16BE(0x8000 | (header.flags & 0x7900) | recursionAvailable | code, 2);
  return message;
}

/** The address that a name for reverse questions stands for (RFC 1035 3.5, RFC 3596 2.5). */
function reversed(name: string): string | undefined {
  const quads = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (quads !== null) return quads.slice(1).reverse().join('.');
  const nibbles = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  return nibbles === undefined ? undefined : formatAddress(BigInt(`0x${nibbles.split('.').reverse().join('')}`));
}
