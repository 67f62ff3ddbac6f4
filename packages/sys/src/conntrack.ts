import { closeSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import koffi from 'koffi';
import { Fault } from '@berth/kit';
import { libc, systemFault } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;
const AF_UNSPEC = 0;

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** Subsystem 1 of nfnetlink and its messages get (1) and delete (2). */
const CONNTRACK_GET = 0x0101;
const CONNTRACK_DELETE = 0x0102;

/** Attributes of linux/netfilter/nfnetlink_conntrack.h. */
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;

/** A tracked connection as it was first seen, and as its answers look (which tells what was translated). */
export interface Connection {
  /** IP protocol: 6 or 17. */
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly destinationPort: number;
  readonly replySource: string;
}

/**
 * Makes the kernel forget the connections that `which` picks, so that their next packet is judged and translated
 * anew; returns how many. Of the calling process's network namespace. Fault `system-call-failed`.
 */
export async function forgetConnections(which: (connection: Connection) => boolean): Promise<number> {
  const fd = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) as number;
  if (fd < 0) throw systemFault('opening a netlink socket');
  try {
    const doomed: { family: number; body: Buffer }[] = [];
    send(fd, CONNTRACK_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC, Buffer.alloc(0));
    await receive(fd, (payload) => {
      const found = attributes(payload.subarray(4));
      const connection = read(found);
      if (connection === undefined || !which(connection)) return;
      // The id makes sure that it is this very entry, not one that has taken its place meanwhile.
      const body = Buffer.concat([CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].flatMap((type) => (found.has(type) ? [found.get(type)?.whole ?? Buffer.alloc(0)] : [])));
      doomed.push({ family: payload[0] ?? AF_UNSPEC, body });
    });
    let count = 0;
    for (const { family, body } of doomed) {
      send(fd, CONNTRACK_DELETE, NLM_F_REQUEST | NLM_F_ACK, family, body);
      if (await receive(fd, () => undefined)) count++;
    }
    return count;
  } finally {
    closeSync(fd);
  }
}

function send(fd: number, type: number, flags: number, family: number, body: Buffer): void {
  const message = Buffer.alloc(20 + body.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags, 6);
  message[16] = family;
  body.copy(message, 20);
  if (Number(libc().send(fd, message, message.length, 0)) < 0) throw systemFault('asking the connection tracker');
}

/** Reads up to the end of the answer; false: the kernel refused with ENOENT (it ended by itself meanwhile). */
async function receive(fd: number, take: (payload: Buffer) => void): Promise<boolean> {
  const buffer = Buffer.alloc(64 * 1024);
  for (;;) {
    // On a thread of its own: the kernel walks its whole table for one answer.
    const size = await new Promise<number>((resolve, reject) => {
      libc().recv.async(fd, buffer, buffer.length, 0, (error: unknown, result: number | bigint) => (error ? reject(error) : resolve(Number(result))));
    });
    if (size < 0) throw systemFault('reading the connection tracker');
    for (let offset = 0; offset + 16 <= size; ) {
      const length = buffer.readUInt32LE(offset);
      const type = buffer.readUInt16LE(offset + 4);
      if (length < 16 || offset + length > size) break;
      if (type === NLMSG_DONE) return true;
      if (type === NLMSG_ERROR) {
        const code = -buffer.readInt32LE(offset + 16);
        if (code === 0) return true;
        if (code === koffi.os.errno['ENOENT']) return false;
        throw new Fault('internal', 'system-call-failed', `the connection tracker answered with error ${code}`);
      }
      take(Buffer.from(buffer.subarray(offset + 16, offset + length)));
      offset += (length + 3) & ~3;
    }
  }
}

type Attributes = Map<number, { readonly value: Buffer; readonly whole: Buffer }>;

/** `whole` is the attribute with its head and padding, ready to be sent back. */
function attributes(bytes: Buffer): Attributes {
  const found: Attributes = new Map();
  for (let offset = 0; offset + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > bytes.length) break;
    const padded = (length + 3) & ~3;
    const whole = Buffer.alloc(padded);
    bytes.copy(whole, 0, offset, offset + length);
    found.set(bytes.readUInt16LE(offset + 2) & 0x3fff, { value: bytes.subarray(offset + 4, offset + length), whole });
    offset += padded;
  }
  return found;
}

function read(found: Attributes): Connection | undefined {
  const nested = (attribute: { value: Buffer } | undefined) => attributes(attribute?.value ?? Buffer.alloc(0));
  const original = nested(found.get(CTA_TUPLE_ORIG));
  const addresses = nested(original.get(CTA_TUPLE_IP));
  const protocol = nested(original.get(CTA_TUPLE_PROTO));
  const reply = nested(nested(found.get(CTA_TUPLE_REPLY)).get(CTA_TUPLE_IP));
  const text = (of: Attributes, v4: number, v6: number) => addressText(of.get(v4)?.value ?? of.get(v6)?.value);
  const number = protocol.get(CTA_PROTO_NUM)?.value[0];
  if (number === undefined) return undefined;
  return {
    protocol: number,
    source: text(addresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
    destination: text(addresses, CTA_IP_V4_DST, CTA_IP_V6_DST),
    destinationPort: protocol.get(CTA_PROTO_DST_PORT)?.value.readUInt16BE(0) ?? 0,
    replySource: text(reply, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
  };
}

function addressText(bytes: Buffer | undefined): string {
  if (bytes?.length !== 16) return [...(bytes ?? [])].join('.');
  const address = (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
  return new SocketAddress({ family: 'ipv6', address }).address;
}
