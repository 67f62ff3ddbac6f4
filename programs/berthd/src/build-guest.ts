/** Builds kernel and initramfs into the directory given, and says in `manifest.json` what came out. Run by bootstrap. */
import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { buildGuest } from '@berth/guest';

const outputDir = resolve(process.argv[2] ?? resolve(import.meta.dirname, '../../../build/guest'));
await mkdir(outputDir, { recursive: true });
const guest = await buildGuest({
  cacheDir: join(outputDir, '../guest-cache'),
  outputDir,
  progress: (line) => process.stdout.write(`${line}\n`),
});
writeFileSync(join(outputDir, 'manifest.json.new'), `${JSON.stringify(guest, undefined, 2)}\n`);
renameSync(join(outputDir, 'manifest.json.new'), join(outputDir, 'manifest.json'));

// Earlier builds: virtual machines that were started from them have them open and need their names no more.
const current = new Set(['manifest.json', '.stamp', basename(guest.kernel), basename(guest.initramfs)]);
for (const name of await readdir(outputDir)) if (!current.has(name)) await rm(join(outputDir, name), { recursive: true, force: true });

const sizes = await Promise.all([guest.kernel, guest.initramfs].map(async (path) => (await stat(path)).size));
const total = sizes.reduce((sum, size) => sum + size, 0);
process.stdout.write(`kernel ${guest.kernelVersion}, ${(total / 1e6).toFixed(1)} MB with its first file system\n`);
