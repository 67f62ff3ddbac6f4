import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault, openStore } from '../testing/archives.ts';
import { TestRegistry } from '../testing/registry-server.ts';

test('a search asks the index for so many, and takes an answer only when it is one', async (context) => {
  const registry = await TestRegistry.open();
  context.after(() => registry[Symbol.asyncDispose]());
  const store = await openStore(context);
  let body = JSON.stringify({ num_results: 1, results: [{ name: 'a/web', description: null, is_official: true, star_count: 3 }] });
  registry.intercept = (request, response) => {
    if (!request.url?.startsWith('/v1/search')) return false;
    response.end(body);
    return true;
  };
  const search = () => store.registries.search(`${registry.host}/web server`, { limit: 7 });
  assert.deepEqual(await search(), [{ name: 'a/web', description: '', isOfficial: true, isAutomated: false, starCount: 3 }]);
  assert.equal(registry.requests.at(-1), 'GET /v1/search?q=web+server&n=7');
  body = '<html>';
  await assert.rejects(search(), fault('registry-answer-invalid', /gave something else than search results$/));
});
