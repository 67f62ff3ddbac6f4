import type { IncomingMessage } from 'node:http';
import { Fault } from '@berth/kit';

/** Versions of the Engine API spoken: 1.24 to 1.50. A version is told by its minor number. */
const oldestMinor = 24;
const newestMinor = 50;
export const oldestVersion = `1.${oldestMinor}`;
export const newestVersion = `1.${newestMinor}`;

const prefixes = new WeakMap<IncomingMessage, string>();

/** Takes `/v1.41` off the URL and remembers it; URLs without one speak the newest version. */
export function stripVersion(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const match = /^\/v(\d+(?:\.\d+)*)(\/.*)$/.exec(url);
  if (match === null) return url;
  prefixes.set(request, match[1] ?? '');
  return match[2] ?? '/';
}

/** The minor version a request speaks. Faults with Docker's sentences: `version-too-old`, `version-too-new`. */
export function requestMinor(request: IncomingMessage): number {
  const version = prefixes.get(request);
  if (version === undefined) return newestMinor;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const order = major === 1 ? minor : major < 1 ? -1 : Number.POSITIVE_INFINITY;
  if (order < oldestMinor) {
    throw new Fault(
      'invalid',
      'version-too-old',
      `client version ${version} is too old. Minimum supported API version is ${oldestVersion}, please upgrade your client to a newer version`,
    );
  }
  if (order > newestMinor) {
    throw new Fault('invalid', 'version-too-new', `client version ${version} is too new. Maximum supported API version is ${newestVersion}`);
  }
  return minor;
}
