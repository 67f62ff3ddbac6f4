import { registryUnauthenticated } from '../faults.ts';
import { DEFAULT_DOMAIN, LEGACY_DOMAIN } from '../reference.ts';
import type { Credentials } from './credentials.ts';
import { Session, type SessionDeps } from './session.ts';

/** Whether a registry lets these credentials in. */
export async function logIn(deps: SessionDeps, server: string, credentials: Credentials, signal?: AbortSignal): Promise<void> {
  const host = server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  const named = host === '' || host === LEGACY_DOMAIN ? DEFAULT_DOMAIN : host;
  const session = await Session.open(deps, named, credentials, signal);
  const url = session.url('/v2/');
  const answer = await session.send(url, { method: 'GET', signal }, []);
  answer.body.destroy();
  if (answer.status === 200) return;
  const name = answer.status === 401 ? '401 Unauthorized' : String(answer.status);
  throw registryUnauthenticated(`login attempt to ${url.href} failed with status: ${name}`);
}
