import { createReadStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { ImageStore } from '@berth/images';
import { writeLargeImage } from './large-image.ts';
const archive = '/tmp/reg-probe/large.tar';
if (!existsSync(archive)) await writeLargeImage(archive, 'localhost:5000/large:1');
const directory = '/tmp/reg-probe/store';
await rm(directory, { recursive: true, force: true });
await using store = await ImageStore.open({ directory });
for (let i = 0; i < 1; i++) {
  const t = performance.now();
  const c = process.cpuUsage();
  let last = t;
  await store.load(createReadStream(archive, { highWaterMark: 65536 }), {
    progress: (m) => {
      const n = performance.now();
      if (n - last > 300 || JSON.stringify(m).includes('"current":0')) console.log(Math.round(n - t), JSON.stringify(m).slice(0, 120));
      last = n;
    },
  });
  const u = process.cpuUsage(c);
  console.log('load', Math.round(performance.now() - t), 'ms; cpu user', u.user / 1e6, 'sys', u.system / 1e6);
  await store.remove('localhost:5000/large:1', { force: true, prune: true, users: [] });
}
