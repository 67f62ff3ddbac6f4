import { isFault } from '@berth/kit';
import type { z } from 'zod';
import { goObject, goString, readJson } from './json.ts';

/** Docker's AuthConfig: the body of `POST /auth`, and in base64 what `X-Registry-Auth` carries. */
export const authConfigSchema = goObject({
  username: goString(),
  password: goString(),
  /** Base64 of `username:password`, where the two are not given. */
  auth: goString(),
  serveraddress: goString(),
  identitytoken: goString(),
  registrytoken: goString(),
});

export type AuthConfig = z.infer<typeof authConfigSchema>;

/** `X-Registry-Auth`. Without one, or with one that can't be read, a registry is asked without credentials, as by dockerd. */
export function readRegistryAuth(header: string | undefined): AuthConfig | undefined {
  return header === undefined || header === '' ? undefined : lenient(() => complete(readJson(authConfigSchema, decoded(header), 'AuthConfig')));
}

/** `X-Registry-Config`: an AuthConfig for each registry. Gives the one for a host. */
export function readRegistryConfig(header: string | undefined, host: string): AuthConfig | undefined {
  if (header === undefined || header === '') return undefined;
  const all = lenient(() => JSON.parse(decoded(header)) as Record<string, unknown>) ?? {};
  const entry = Object.entries(all).find(([server]) => hostOf(server) === host)?.[1];
  return entry === undefined ? undefined : lenient(() => complete(readJson(authConfigSchema, JSON.stringify(entry), 'AuthConfig')));
}

/** `https://index.docker.io/v1/` is what clients call the default registry. */
function hostOf(server: string): string {
  const host = server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === 'index.docker.io' ? 'docker.io' : host;
}

function complete(config: AuthConfig): AuthConfig {
  if (config.username !== '' || config.auth === '') return config;
  const [, username = '', password = ''] = /^([^:]*):([\s\S]*)$/.exec(decoded(config.auth)) ?? [];
  return { ...config, username, password };
}

/** Either alphabet, with or without padding. */
function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString();
}

function lenient<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isFault(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
