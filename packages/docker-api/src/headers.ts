import type { Context } from './context.ts';
import { newestVersion } from './versions.ts';

/** Headers on every answer: clients negotiate by them. */
export function commonHeaders(context: Pick<Context, 'version'>): Record<string, string> {
  return {
    'Api-Version': newestVersion,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: `Berth/${context.version} (linux)`,
  };
}
