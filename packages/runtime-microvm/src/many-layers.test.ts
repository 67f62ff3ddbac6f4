import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Rootfs } from '@berth/runtime';
import { Trial } from '@berth/runtime/conformance';
import { run } from '@berth/sys';
import { MAX_LAYERS } from './flavor.ts';
import { World } from './testing/world.ts';

/** Each makes a file and a line of its own, takes the file of two layers before away, and hides a directory of the one before. */
const LAYERS = `
cd "$1"
for i in $(seq 1 $2); do
  mkdir -p $i/opaque $i/kept && echo $i >$i/top && echo $i >$i/f$i && echo $i >$i/opaque/f$i && echo $i >$i/kept/f$i
  [ $i -le 2 ] || mknod $i/f$((i - 2)) c 0 0
  [ $i -ne 100 ] || setfattr -n trusted.overlay.opaque -v y $i/opaque 2>/dev/null || python3 -c 'import os,sys; os.setxattr(sys.argv[1], "trusted.overlay.opaque", b"y")' $i/opaque
  mksquashfs $i $i.squashfs -quiet -no-progress -noI -noD -noF -noX -no-fragments >/dev/null
done`;

let world: World;
let trial: Trial;
let rootfs: Rootfs;

before(async () => {
  world = await World.open();
  trial = new Trial({ name: 'many layers', cannot: [], subject: () => ({ runtime: world.runtime, rootfs, reopen: () => world.reopen() }) });
  const count = MAX_LAYERS - 1;
  await run('sh', ['-c', LAYERS, 'sh', world.directory, `${count}`], { timeoutMs: 120_000 });
  const own = Array.from({ length: count }, (_, index) => join(world.directory, `${index + 1}.squashfs`));
  const layers = own.map((path) => ({ path, diffId: `sha256:${createHash('sha256').update(path).digest('hex')}` }));
  rootfs = { layers: [...world.rootfs.layers, ...layers] };
});

after(async () => {
  await trial.clean();
  await world[Symbol.asyncDispose]();
});

const LOOK = ['sh', '-c', 'cat /top; ls -d /f*; ls /opaque | wc -l; ls /kept | wc -l; cat /kept/f1 /kept/f126; df / | wc -l; free -k | sed -n 2p >&2'];
const SEEN = '126\n/f125\n/f126\n27\n126\n1\n126\n2\n';

for (const way of ['mounted at the start', 'forked', 'restored'] as const)
  test(`as many layers as Docker allows, ${way}`, { timeout: 180_000 }, async () => {
    await world.reopen({ forks: way === 'forked' });
    if (way !== 'mounted at the start') {
      world.runtime.warm({ rootfs });
      await world.runtime.warmed();
    }
    const begun = performance.now();
    const { stdout, stderr } = await trial.run(LOOK, { limits: {} });
    assert.equal(stdout, SEEN);
    if (process.env['BERTH_SAY'] !== undefined) console.log(way, Math.round(performance.now() - begun), 'ms', stderr);
  });

test('a container that has run before finds its layers again', { timeout: 120_000 }, async () => {
  const spec = trial.spec(['sh', '-c', 'cat /top /mine 2>/dev/null; echo mine >/mine'], { limits: {} });
  const first = await trial.start(spec);
  await first.container.exited;
  await first.container.destroy();
  const second = await trial.start(spec);
  await second.container.exited;
  assert.equal(second.recorder.text('stdout'), '126\nmine\n');
  await second.container.destroy();
});
