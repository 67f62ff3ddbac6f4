import { isIP } from 'node:net';
import { posix } from 'node:path';
import { InternalAddressError, isInternalAddress, padding, publicLookup, tarHeader, END_OF_ARCHIVE } from '@berth/images';
import { Agent, request } from 'undici';
import { fetchFailed } from './faults.ts';

const MOST_REDIRECTS = 10;
const PATIENCE_MS = 60_000;
/** Of a server that doesn't say how much it will send. */
const UNKNOWN_LIMIT_BYTES = 64 << 20;

export interface Fetched {
  /** From the address; '' when it ends in a slash. */
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly modifiedSeconds: number;
  readonly body: AsyncIterable<Buffer>;
}

/**
 * What lies at an address that the user named. It may send us elsewhere, but not to an address of this host or its networks
 * that the user did not name. Fault `build-failed`.
 */
export async function fetchUrl(url: string, limitBytes: number, signal: AbortSignal): Promise<Fetched> {
  const named = new URL(url);
  const anywhere = new Agent({ connect: { timeout: PATIENCE_MS } });
  const outside = new Agent({ connect: { timeout: PATIENCE_MS, lookup: publicLookup } });
  let at = named;
  try {
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      if (at.protocol !== 'http:' && at.protocol !== 'https:') throw new Error(`${at.protocol.slice(0, -1)} is no protocol that can be fetched`);
      const host = at.hostname.replace(/^\[(.*)\]$/, '$1');
      const trusted = at.hostname === named.hostname;
      if (!trusted && isIP(host) !== 0 && isInternalAddress(host)) throw new InternalAddressError(host);
      const answer = await request(at, { dispatcher: trusted ? anywhere : outside, signal, headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS });
      const header = (name: string) => [answer.headers[name] ?? ''].flat()[0] ?? '';
      if ([301, 302, 303, 307, 308].includes(answer.statusCode) && header('location') !== '') {
        await answer.body.dump();
        at = new URL(header('location'), at);
        continue;
      }
      if (answer.statusCode >= 400) {
        await answer.body.dump();
        throw new Error(`its server answered with status ${answer.statusCode}`);
      }
      return await taken(at, answer.body as AsyncIterable<Buffer>, header, limitBytes);
    }
    throw new Error('too many redirects');
  } catch (error) {
    signal.throwIfAborted();
    throw fetchFailed(url, error instanceof Error ? error.message : String(error));
  } finally {
    void anywhere.close();
    void outside.close();
  }
}

async function taken(at: URL, body: AsyncIterable<Buffer>, header: (name: string) => string, limitBytes: number): Promise<Fetched> {
  const length = /^\d{1,15}$/.test(header('content-length')) ? Number(header('content-length')) : undefined;
  if (length !== undefined && length > limitBytes) throw new Error(`it is larger than the limit of ${limitBytes} bytes`);
  const modified = Date.parse(header('last-modified'));
  const described = {
    name: decodeURIComponent(at.pathname.endsWith('/') ? '' : posix.basename(at.pathname)),
    contentType: header('content-type').split(';')[0]?.trim().toLowerCase() ?? '',
    modifiedSeconds: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
  };
  if (length !== undefined) return { ...described, sizeBytes: length, body };
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > Math.min(limitBytes, UNKNOWN_LIMIT_BYTES))
      throw new Error('its server does not say how large it is, and it is too large to be kept until it ends');
    pieces.push(piece);
  }
  return {
    ...described,
    sizeBytes: bytes,
    body: (async function* () {
      yield* pieces;
    })(),
  };
}

/** A tar with the one file in it, as ADD makes it. */
export async function* asTar(name: string, { sizeBytes, modifiedSeconds, body }: Fetched): AsyncGenerator<Buffer> {
  const path = Buffer.from(name).toString('latin1');
  const plain = { uid: 0, gid: 0, linkPath: '', deviceMajor: 0, deviceMinor: 0, xattrs: new Map<string, string>() };
  yield tarHeader({ ...plain, kind: 'file', path, mode: 0o600, sizeBytes, mtime: modifiedSeconds });
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    yield piece;
  }
  if (bytes !== sizeBytes) throw fetchFailed(name, `${sizeBytes} bytes were announced and ${bytes} came`);
  yield padding(sizeBytes);
  yield END_OF_ARCHIVE;
}
