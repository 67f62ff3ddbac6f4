import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault, openStore, smallTar } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';
import { parseChallenges } from './challenge.ts';

const quiet = { all: false, progress: () => undefined };
const basic = `Basic ${Buffer.from('ann:secret').toString('base64')}`;

test('challenges are read as RFC 9110 writes them', () => {
  const read = (header: string) => parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  assert.deepEqual(read('Basic realm="a b"'), [['basic', { realm: 'a b' }]]);
  assert.deepEqual(read('Bearer realm="https://x/t?a=b,c",service="r\\"s",scope="repository:a/b:pull,push" , Basic'), [
    ['bearer', { realm: 'https://x/t?a=b,c', service: 'r"s', scope: 'repository:a/b:pull,push' }],
    ['basic', {}],
  ]);
  assert.deepEqual(read('Bearer realm=x, error="invalid_token"'), [['bearer', { realm: 'x', error: 'invalid_token' }]]);
  assert.deepEqual(read('"broken'), []);
  assert.deepEqual(read(''), []);
});

test('bearer tokens: asked with the password or the refresh token, used once per scope, refused in words', async (context) => {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  const store = await openStore(context);
  const { id } = registry.addImage('private', 'latest', [smallTar('text')]);
  const name = `${registry.host}/private`;
  const asked: string[] = [];
  registry.intercept = async (request, response) => {
    if (request.url?.startsWith('/token')) {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push(`${request.method} ${request.url} ${body}`);
      const known = request.headers.authorization === basic || body.includes('refresh_token=refresh-me');
      response
        .writeHead(known ? 200 : 401)
        .end(
          JSON.stringify(known ? { access_token: 'good', expires_in: 300 } : { errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }),
        );
      return true;
    }
    if (request.headers.authorization === 'Bearer good') return false;
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token",service="berth test"` }).end();
    return true;
  };
  await assert.rejects(
    store.registries.pull(name, quiet),
    fault('registry-unauthenticated', `Head "http://${registry.host}/v2/private/manifests/latest": unauthorized: incorrect username or password`),
  );
  asked.length = 0;
  const pulled = await store.registries.pull(name, { ...quiet, credentials: { username: 'ann', password: 'secret' } });
  assert.equal(pulled.images[0]?.id, id);
  assert.deepEqual(asked, ['GET /token?service=berth+test&scope=repository%3Aprivate%3Apull&account=ann ']);
  asked.length = 0;
  await store.registries.describe(name, { credentials: { identityToken: 'refresh-me' } });
  assert.equal(asked.length, 1);
  assert.match(asked[0] ?? '', /^POST \/token .*grant_type=refresh_token.*scope=repository%3Aprivate%3Apull/);
  await store.registries.logIn(registry.host, { username: 'ann', password: 'secret' });
  await assert.rejects(
    store.registries.logIn(registry.host, { username: 'ann', password: 'wrong' }),
    fault('registry-unauthenticated', /incorrect username or password/),
  );
});

test('a name that may not be seen', async (context) => {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  const store = await openStore(context);
  registry.intercept = (request, response) => {
    if (request.url === '/v2/') return false;
    response.writeHead(403).end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access to the resource is denied' }] }));
    return true;
  };
  const sentence = `pull access denied for ${registry.host}/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`;
  await assert.rejects(store.registries.pull(`${registry.host}/x`, quiet), fault('remote-missing', sentence));
});
