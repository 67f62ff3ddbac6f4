import type { Fault } from '@berth/kit';
import { registryBusy, registryRefused, registryUnauthenticated, remoteMissing } from '../faults.ts';
import { wholeBody } from './answer-body.ts';
import { parseChallenges } from './challenge.ts';
import type { Received } from './transport.ts';

const LIMIT_BYTES = 64 * 1024;

export interface RegistryError {
  /** `MANIFEST_UNKNOWN`, `DENIED`, …; empty when the registry gave none. */
  readonly code: string;
  /** As Go's registry client writes it: `manifest unknown: manifest unknown`. */
  readonly sentence: string;
}

const DENIED: RegistryError = { code: 'DENIED', sentence: 'denied: requested access to the resource is denied' };

/** What a registry says by an answer that is no success (OCI distribution-spec, "Error Codes"). Takes the body. */
export async function registryError(answer: Received): Promise<RegistryError> {
  try {
    const text = (await wholeBody(answer, LIMIT_BYTES, 'an error')).toString();
    // A token that is good, but not for this (RFC 6750, 3.1).
    if (parseChallenges(answer.headers['www-authenticate'] ?? '').some(({ parameters }) => parameters.get('error') === 'insufficient_scope')) return DENIED;
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const first = errors?.[0];
    if (typeof first?.code === 'string') {
      const code = first.code.toUpperCase();
      const message = typeof first.message === 'string' ? first.message.slice(0, 500) : '';
      return { code, sentence: `${code.toLowerCase().replaceAll('_', ' ')}: ${message}` };
    }
  } catch {
    // Not JSON, or too much of it: the status has to do.
  }
  if (answer.status === 401) return { code: 'UNAUTHORIZED', sentence: 'unauthorized: authentication required' };
  if (answer.status === 403) return DENIED;
  if (answer.status === 404) return { code: '', sentence: 'not found' };
  return { code: '', sentence: `received unexpected HTTP status: ${answer.status}` };
}

/** The fault an error becomes where nothing better is known of what was asked for. */
export function faultOf(status: number, { sentence }: RegistryError): Fault {
  if (status === 401) return registryUnauthenticated(sentence);
  if (status === 404) return remoteMissing(sentence);
  if (status === 429 || status >= 500) return registryBusy(sentence);
  return registryRefused(sentence);
}
