/** What a client gives to be let in, in the fields of Docker's AuthConfig. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token (OAuth 2) instead of a password. */
  readonly identityToken?: string;
  /** A bearer token to be used as it is. */
  readonly registryToken?: string;
}

export function basicAuthorization({ username, password }: Credentials): string | undefined {
  if (username === undefined || username === '' || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
