import { isFault } from '@berth/kit';
import { redirectRefused, registryUnreachable } from '../faults.ts';
import { InternalAddressError } from './internal-address.ts';

const UNKNOWN_AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'CERT_UNTRUSTED',
]);

interface SystemError extends Error {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
  readonly errors?: readonly SystemError[];
}

/** What went wrong below HTTP, in the words dockerd has for it. */
export function connectionFault(method: string, url: URL, error: unknown): Error {
  if (isFault(error)) return error;
  for (let cause = error as SystemError | undefined; cause !== undefined; cause = cause.cause as SystemError | undefined) {
    if (cause instanceof InternalAddressError) return redirectRefused(url.host, `${url.hostname} is at ${cause.address}, an internal address`);
  }
  return registryUnreachable(`${requestLine(method, url)}: ${reason(first(error as SystemError), url)}`, error);
}

/** `Get "http://localhost:5000/v2/"`, as Go's client begins its errors. */
export function requestLine(method: string, url: URL): string {
  return `${method.slice(0, 1)}${method.slice(1).toLowerCase()} ${JSON.stringify(url.href)}`;
}

/** A name with several addresses fails with one error for each; people expect to be told of the IPv4 one. */
function first(error: SystemError): SystemError {
  const inner = error.errors?.find((one) => one.address?.includes('.') === true) ?? error.errors?.[0];
  return inner ?? error;
}

function reason(error: SystemError, url: URL): string {
  const address = error.address === undefined ? url.host : `${error.address.includes(':') ? `[${error.address}]` : error.address}:${error.port ?? ''}`;
  const code = error.code ?? '';
  if (code === 'ECONNREFUSED') return `dial tcp ${address}: connect: connection refused`;
  if (code === 'EHOSTUNREACH') return `dial tcp ${address}: connect: no route to host`;
  if (code === 'ENETUNREACH') return `dial tcp ${address}: connect: network is unreachable`;
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: temporary failure in name resolution`;
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return `dial tcp ${url.host}: i/o timeout`;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'the registry has fallen silent';
  if (UNKNOWN_AUTHORITY.has(code)) return 'x509: certificate signed by unknown authority';
  if (code === 'CERT_HAS_EXPIRED') return 'x509: certificate has expired or is not yet valid';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `x509: certificate is not valid for ${url.hostname}`;
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code)) return 'http: server gave HTTP response to HTTPS client';
  if (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET') return 'the connection was cut';
  if (code.startsWith('HPE_')) return 'malformed HTTP response';
  return error.message;
}
