/**
 * The smallest token server there can be (distribution's "token authentication"), run as a process of its own inside a
 * network namespace: `token-server.ts PORT KEY CERTIFICATE`. Ann may do everything with a password, others may pull `open/…`.
 */
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port = '', keyPath = '', certificatePath = ''] = process.argv.slice(2);
const key = createPrivateKey(readFileSync(keyPath));
const certificate = new X509Certificate(readFileSync(certificatePath)).raw.toString('base64');
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://localhost');
  const given = request.headers.authorization;
  const isAnn = given === `Basic ${Buffer.from('ann:secret').toString('base64')}`;
  if (given !== undefined && !isAnn) {
    response.writeHead(401).end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }));
    return;
  }
  const access = url.searchParams.getAll('scope').map((scope) => {
    const [type = '', name = '', actions = ''] = scope.split(':');
    return { type, name, actions: actions.split(',').filter((action) => isAnn || (action === 'pull' && name.startsWith('open/'))) };
  });
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: 'berth', sub: isAnn ? 'ann' : '', aud: 'berth', exp: seconds + 300, nbf: seconds - 10, iat: seconds, jti: randomUUID(), access };
  const text = `${part({ typ: 'JWT', alg: 'ES256', x5c: [certificate] })}.${part(claims)}`;
  const token = `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token, expires_in: 300 }));
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
