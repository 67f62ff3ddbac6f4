import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isFault } from '@berth/kit';
import type { Image } from '@berth/images';
import { openTestBuilder, pieces, tarOf, type TestBuilder } from './stand-ins/test-builder.ts';

const limit = { timeout: 60_000 };
const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;
const fault = (code: string, sentence: RegExp) => (error: unknown) => {
  assert.ok(isFault(error, code), String(error));
  assert.match(error.message, sentence);
  return true;
};

describe('builds', limit, () => {
  let world: TestBuilder;
  before(async () => {
    world = await openTestBuilder();
  }, limit);
  after(() => world[Symbol.asyncDispose](), limit);

  /** What a path of an image holds. */
  const text = async (image: Image, path: string) => (await world.images.builds.tree(image)).text(path);

  test('steps are found again: by what was copied and not by when, until something before them differs', async () => {
    const files = { Dockerfile: lines('FROM busybox', 'ENV A=1', 'COPY a d /x/', 'RUN true', 'LABEL z=1'), a: 'one', 'd/b': 'two' };
    const first = await world.build(files);
    assert.doesNotMatch(first.said, /Using cache/);
    const second = await world.build(files);
    assert.equal(second.image.id, first.image.id);
    assert.equal(second.said.match(/Using cache/g)?.length, 4);
    const changed = await world.build({ ...files, 'd/b': 'other' });
    assert.equal(changed.said.match(/Using cache/g)?.length, 1);
    assert.equal(await text(changed.image, '/x/b'), 'other');
    assert.equal((await world.build(files, { noCache: true })).said.match(/Using cache/g), null);
    assert.equal(first.image.parentId, world.images.get(first.image.parentId).id);
    // Nobody keeps what was built: the steps go with the last image they led to.
    const removed = await world.images.remove(changed.image.id, { force: false, prune: true, users: [] });
    assert.ok(removed.some((one) => 'Deleted' in one && one.Deleted === changed.image.parentId));
    assert.equal(world.images.get(first.image.id).id, first.image.id);
  });

  test('build arguments are in the key where they are used, proxies are not', async () => {
    const files = { Dockerfile: lines('FROM busybox', 'ARG who', 'RUN echo "$who" "$http_proxy"') };
    const build = (who: string, proxy: string) =>
      world.build(files, {
        arguments: new Map([
          ['who', who],
          ['http_proxy', proxy],
        ]),
      });
    assert.match((await build('a', 'p')).said, /a p\n/);
    assert.match((await build('a', 'q')).said, /Using cache/);
    assert.match((await build('b', 'q')).said, /b q\n/);
  });

  test('names of owners are those of the image; links in it are followed inside it', async () => {
    const base = await world.build({
      Dockerfile: lines('FROM busybox', 'COPY link /link', 'COPY . /all/'),
      link: 'x',
      'inside/l': '->../../../../etc',
      'inside/f': 'f',
    });
    assert.equal(await text(base.image, '/all/inside/l/passwd'), await text(base.image, '/etc/passwd'));
    const over = await world.build({ Dockerfile: lines(`FROM ${base.image.id.slice(7)}`, 'COPY --chown=some:staff f /all/inside/l/new'), f: 'new' });
    assert.equal(await text(over.image, '/etc/new'), 'new');
    await assert.rejects(
      world.build({ Dockerfile: lines('FROM busybox', 'COPY --chown=nobody f /x'), f: '' }),
      fault('build-failed', /can't find uid for user nobody/),
    );
  });

  test('what would leave the context, or a layer, is refused', async () => {
    const from = 'FROM busybox';
    for (const [files, code, sentence] of [
      [{ Dockerfile: lines(from, 'COPY ../x /'), x: '' }, 'build-failed', /forbidden path outside the build context/],
      [{ Dockerfile: lines(from), '../out': 'x' }, 'tar-invalid', /outside of the root/],
      [{ Dockerfile: lines(from, 'COPY etc /e'), etc: '->/nowhere' }, 'build-failed', /file not found in build context/],
      [{ Dockerfile: lines(from), 'a/.wh.b': '' }, 'tar-invalid', /mean deletions/],
      [{ Dockerfile: lines(from, 'ADD a.tar /x'), 'a.tar': tarOf({ '../../up': 'x' }) }, 'build-failed', /outside of the archive's root/],
      [{ Dockerfile: lines(from, 'COPY a /etc/passwd/x'), a: '' }, 'build-failed', /not a directory/],
      [{ other: '' }, 'build-failed', /Cannot locate specified Dockerfile: Dockerfile/],
      [{ Dockerfile: ' \n' }, 'build-failed', /cannot be empty/],
    ] as const) {
      await assert.rejects(world.build(files), fault(code, sentence));
    }
    await assert.rejects(world.build({ Dockerfile: from }, { dockerfile: '../Dockerfile' }), fault('build-failed', /forbidden path outside/));
  });

  test('a client that goes, and a step that fails, leave no container', async () => {
    const stop = new AbortController();
    const building = world.build({ Dockerfile: lines('FROM busybox', 'RUN echo on its way; exec sleep 1000') }, {}, stop.signal);
    for (const end = Date.now() + 20_000; !world.t.engine.containers().some(({ state }) => state.phase === 'running') && Date.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    stop.abort();
    await assert.rejects(building, fault('build-cancelled', /cancelled/));
    assert.deepEqual(world.t.engine.containers(), []);
    await assert.rejects(world.build({ Dockerfile: lines('FROM busybox', 'RUN exit 3') }), (error) =>
      fault('step-failed', /'\/bin\/sh -c exit 3' returned a non-zero code: 3/)(error),
    );
    assert.deepEqual(world.t.engine.containers(), []);
  });

  test('secrets are in no image and no key; they have to be there when they are required', async () => {
    const files = (secret: string) => ({ Dockerfile: lines('FROM busybox', 'RUN --mount=type=secret,id=s,env=WORD echo ${#WORD}', 'COPY . /all'), s: secret });
    const secrets = [{ id: 's', path: 's' }];
    const first = await world.build(files('four'), { secrets });
    assert.match(first.said, /\n4\n/);
    assert.equal(await text(first.image, '/all/s'), undefined);
    assert.match((await world.build(files('longer'), { secrets })).said, /RUN .*\n ---> Using cache/);
    await assert.rejects(
      world.build({ Dockerfile: lines('FROM busybox', 'RUN --mount=type=secret,id=n,required=true true') }),
      fault('build-failed', /secret n: not found/),
    );
  });

  test('ADD fetches, and is not led to this host', async () => {
    const served: string[] = [];
    const server = createServer((request, response) => {
      served.push(request.url ?? '');
      if (request.url === '/away') response.writeHead(302, { Location: 'http://169.254.169.254/latest' }).end();
      else if (request.url === '/endless') response.writeHead(200, { 'Content-Length': String(2 ** 40) }).end();
      else if (request.url === '/file.txt') response.writeHead(200, { 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }).end('fetched');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const build = (line: string) => world.build({ Dockerfile: lines('FROM busybox', line) });
      assert.equal(await text((await build(`ADD ${url}/file.txt /into/`)).image, '/into/file.txt'), 'fetched');
      assert.match((await build(`ADD ${url}/file.txt /into/`)).said, /Using cache/);
      for (const [line, sentence] of [
        [`ADD ${url}/away /x`, /169\.254\.169\.254 is an internal address/],
        [`ADD ${url}/endless /x`, /larger than the limit/],
        [`ADD ${url}/nothing /x`, /status 404/],
        [`ADD --checksum=sha256:${'0'.repeat(64)} ${url}/file.txt /x`, /digest mismatch/],
      ] as const) {
        await assert.rejects(build(line), fault('build-failed', sentence));
      }
      await assert.rejects(build(`ADD ${url}/some.git /x`), fault('build-unsupported', /git repository/));
      const remote = await world.build({}, { context: { url: `${url}/file.txt` } }).catch((error: unknown) => error);
      assert.ok(isFault(remote, 'dockerfile-invalid'), String(remote));
      await assert.rejects(world.build({}, { context: { url: 'https://somewhere.example/x.git' } }), fault('build-unsupported', /git/));
    } finally {
      server.close();
    }
  });
});

test('a context that is too large, or becomes so, and a build that does not end', limit, async () => {
  await using world = await openTestBuilder({ buildMs: 3_000, contextBytes: 1 << 20 });
  const zeros = Buffer.alloc(8 << 20);
  const bomb = gzipSync(tarOf({ Dockerfile: 'FROM busybox\n', zeros }));
  assert.ok(bomb.length < 1 << 20);
  await assert.rejects(world.build({}, { context: { stream: pieces(bomb) } }), fault('archive-too-large', /larger than the limit/));
  await assert.rejects(world.build({ Dockerfile: 'FROM busybox\nRUN exec sleep 1000\n' }), fault('build-too-long', /longer than 3 seconds/));
  assert.deepEqual(world.t.engine.containers(), []);
});
