import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFile, stat } from 'node:fs/promises';
import { connect, isIPv4, isIPv6 } from 'node:net';

/** One server gets so long before the next is asked; three of them stay below the 5 s after which glibc asks again. */
const attemptMs = 1_500;
const serverLimit = 3;
/** Questions on their way, of all networks together: each holds a socket. */
const questionLimit = 1_024;

/** Splits `address` or `address#port`; `undefined` when it is no address. */
function endpointOf(server: string): { address: string; port: number } | undefined {
  const [address = '', port] = server.split('#');
  if (!isIPv4(address) && !isIPv6(address.split('%')[0] ?? '')) return undefined;
  return { address, port: port === undefined ? 53 : Number(port) };
}

/** Passes questions on to other name servers, from the host's own network, and brings their answers back unchanged. */
export class Forwarder {
  #asking = 0;
  readonly #fixed: readonly string[] | undefined;
  readonly #isOwn: (address: string) => boolean;
  #read: { readonly mtimeMs: number; readonly servers: readonly string[] } | undefined;

  /** `fixed`: servers to use instead of the host's. `isOwn`: an address where we answer ourselves; asking it would loop. */
  constructor(fixed: readonly string[] | undefined, isOwn: (address: string) => boolean) {
    this.#fixed = fixed;
    this.#isOwn = isOwn;
  }

  /** The answer, with the question's id; `undefined` when no server gave one, or too many are being asked. */
  async forward(question: Buffer, servers: readonly string[], transport: 'udp' | 'tcp', signal: AbortSignal): Promise<Buffer | undefined> {
    if (this.#asking >= questionLimit) return undefined;
    this.#asking++;
    try {
      return await this.#askAll(question, servers, transport, signal);
    } finally {
      this.#asking--;
    }
  }

  async #askAll(question: Buffer, servers: readonly string[], transport: 'udp' | 'tcp', signal: AbortSignal): Promise<Buffer | undefined> {
    let refused: Buffer | undefined;
    const all = (servers.length > 0 ? servers : await this.#upstreams()).slice(0, serverLimit);
    for (const server of all) {
      const to = endpointOf(server);
      if (to === undefined || this.#isOwn(to.address) || signal.aborted) continue;
      const answer = (transport === 'tcp' ? await askTcp(question, to, signal) : undefined) ?? (await askUdp(question, to, signal));
      if (answer === undefined) continue;
      const code = answer.readUInt16BE(2) & 0xf;
      // SERVFAIL and REFUSED speak of that server, not of the name: another may know better.
      if (code !== 2 && code !== 5) return answer;
      refused = answer;
    }
    return refused;
  }

  async #upstreams(): Promise<readonly string[]> {
    if (this.#fixed !== undefined) return this.#fixed;
    try {
      const { mtimeMs } = await stat('/etc/resolv.conf');
      if (this.#read?.mtimeMs !== mtimeMs) this.#read = { mtimeMs, servers: nameServers(await readFile('/etc/resolv.conf', 'utf8')) };
      return this.#read.servers;
    } catch {
      return [];
    }
  }
}

/** The `nameserver` lines of a resolv.conf. */
function nameServers(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map((match) => match[1] ?? '');
}

interface To {
  readonly address: string;
  readonly port: number;
}

/** A fresh socket (hence port) and a fresh id for every question: an answer can't be forged without guessing both. */
function askUdp(question: Buffer, to: To, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const id = randomInt(0x10000);
    const sent = renumber(question, id);
    const socket = createSocket(isIPv6(to.address.split('%')[0] ?? '') ? 'udp6' : 'udp4');
    let over = false;
    const end = (answer: Buffer | undefined) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      resolve(answer);
    };
    const onAbort = () => end(undefined);
    const timer = setTimeout(onAbort, attemptMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onAbort);
    socket.on('message', (answer) => {
      if (belongs(answer, sent)) end(renumber(answer, question.readUInt16BE(0)));
    });
    // Connected, so that only this server's datagrams arrive, and a closed port is an error at once.
    socket.connect(to.port, to.address, (...failed: unknown[]) => {
      if (failed[0] instanceof Error) end(undefined);
      else if (!over) socket.send(sent, () => undefined);
    });
  });
}

function askTcp(question: Buffer, to: To, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const sent = renumber(question, randomInt(0x10000));
    const socket = connect({ host: to.address, port: to.port });
    let received = Buffer.alloc(0);
    const end = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = () => end(undefined);
    const timer = setTimeout(onAbort, attemptMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onAbort);
    socket.on('close', onAbort);
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(sent.length);
      socket.write(Buffer.concat([length, sent]));
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = received.subarray(2, 2 + received.readUInt16BE(0));
      end(belongs(answer, sent) ? renumber(answer, question.readUInt16BE(0)) : undefined);
    });
  });
}

function renumber(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** An answer to this question: same id, marked as a response, and the same question where it repeats one. */
function belongs(answer: Buffer, sent: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== sent.readUInt16BE(0) || (answer.readUInt16BE(2) & 0x8000) === 0) return false;
  if (answer.readUInt16BE(4) === 0) return true;
  const end = questionEnd(sent);
  if (end === undefined || answer.length < end) return false;
  return answer.subarray(12, end).toString('latin1').toLowerCase() === sent.subarray(12, end).toString('latin1').toLowerCase();
}

function questionEnd(message: Buffer): number | undefined {
  let offset = 12;
  while (offset < message.length) {
    const length = message[offset] ?? 0;
    if (length === 0) return offset + 5 <= message.length ? offset + 5 : undefined;
    if (length > 63) return undefined;
    offset += length + 1;
  }
  return undefined;
}
