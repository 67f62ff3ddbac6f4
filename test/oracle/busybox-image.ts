import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { run } from '@berth/sys';
import tar from 'tar-stream';

/** Every archive made from the same busybox is the same, byte for byte: ids can be compared between daemons. */
const mtime = new Date('2020-01-01T00:00:00Z');

/** Writes a `docker load` archive holding `busybox:latest`, made of Debian's static busybox. Gives the image id. */
export async function writeBusyboxImage(path: string, options: { busybox?: string } = {}): Promise<string> {
  const busybox = options.busybox ?? '/bin/busybox';
  const layer = await busyboxLayer(busybox);
  const diffId = `sha256:${sha256(layer)}`;
  const configuration = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: mtime.toISOString(),
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: mtime.toISOString(), created_by: 'busybox-static' }],
  });
  const id = sha256(Buffer.from(configuration));
  const archive = tar.pack();
  archive.entry({ name: `${id}.json`, mtime }, configuration);
  archive.entry({ name: 'layer.tar', mtime }, layer);
  archive.entry({ name: 'manifest.json', mtime }, JSON.stringify([{ Config: `${id}.json`, RepoTags: ['busybox:latest'], Layers: ['layer.tar'] }]));
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
  return `sha256:${id}`;
}

async function busyboxLayer(busybox: string): Promise<Buffer> {
  const applets = (await run(busybox, ['--list'])).stdout.trim().split('\n');
  const layer = tar.pack();
  const whole = buffer(layer);
  const directory = (name: string, mode = 0o755) => layer.entry({ name, type: 'directory', mode, mtime });
  for (const name of ['bin/', 'dev/', 'etc/', 'home/', 'proc/', 'sys/', 'usr/', 'usr/bin/', 'var/']) directory(name);
  directory('root/', 0o700);
  directory('tmp/', 0o1777);
  layer.entry({ name: 'bin/busybox', mode: 0o755, mtime }, await readFile(busybox));
  for (const applet of applets) {
    if (applet !== 'busybox') layer.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mtime });
  }
  layer.entry(
    { name: 'etc/passwd', mtime },
    'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  );
  layer.entry({ name: 'etc/group', mtime }, 'root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n');
  layer.finalize();
  return whole;
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
