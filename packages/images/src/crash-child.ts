/**
 * Run by crash.test.ts as a process of its own, to be killed: loads and removes images as fast as it can, saying what it
 * has finished.
 */
import { createReadStream } from 'node:fs';
import { ImageStore } from './image-store.ts';

const [directory = '', ...archives] = process.argv.slice(2);
await using store = await ImageStore.open({ directory });
process.stdout.write('open\n');
for (let round = 0; ; round++) {
  await Promise.all(
    archives.map(async (archive) => {
      const [image] = await store.load(createReadStream(archive), { progress: () => undefined });
      if (image === undefined) throw new Error('nothing loaded');
      store.lease(image, `round-${round}`);
      process.stdout.write(`loaded ${image.id}\n`);
    }),
  );
  store.unlease(`round-${round}`);
  for (const image of store.list().slice(round % 2)) {
    for (const tag of image.tags) await store.remove(tag, { force: true, prune: true, users: [] });
    process.stdout.write(`removed ${image.id}\n`);
  }
}
