import { posix } from 'node:path';

/** As dockerd reads a path: absolute, cleaned by name, but with the slash or `/.` at its end that says "what is in it". */
export function containerPath(path: string): string {
  const clean = posix.resolve('/', path);
  const endsInDot = path === '' || path === '.' || path.endsWith('/.');
  if (endsInDot) return clean === '/' ? '/.' : `${clean}/.`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}

/** Go's filepath.Base: what a copy of the path is called. */
export function containerPathName(path: string): string {
  const whole = containerPath(path);
  if (whole === '/') return '/';
  return whole.replace(/\/+$/, '').split('/').at(-1) ?? '';
}
