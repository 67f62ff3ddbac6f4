import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { run } from '@berth/sys';
import type { ImageStore } from '../image-store.ts';
import type { Logger } from '../logger.ts';
import type { Progress } from '../port.ts';
import { helloTar } from './hello.ts';
import { busyboxTar } from './busybox.ts';

const BUSYBOX = '/bin/busybox';
/** Goes up when what is made from the same busybox changes. */
const RECIPE = '1';
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface LocalImagesOptions {
  readonly log?: Logger;
  readonly progress?: Progress;
  /** Another static busybox than Debian's. */
  readonly busybox?: string;
  readonly signal?: AbortSignal;
}

/**
 * Makes `busybox:latest` and `berth/hello:latest` from the machine's static busybox, so that there is something to run
 * with no registry in reach. Each is made once per installation and busybox version: one that its user removed or tagged
 * over stays so until busybox itself changes. Gives the names made now.
 */
export async function buildLocalImages(store: ImageStore, options: LocalImagesOptions = {}): Promise<string[]> {
  const path = options.busybox ?? BUSYBOX;
  const binary = await readFile(path);
  const key = `${RECIPE}:${createHash('sha256').update(binary).digest('hex')}`;
  const made: string[] = [];
  let applets: string[] | undefined;
  for (const image of IMAGES) {
    const fact = `local-image:${image.reference}`;
    const before = store.fact(fact);
    if (before === key) continue;
    const [beforeKey = '', madeId] = before?.split(' ') ?? [];
    if (beforeKey === key) continue;
    // A newer busybox replaces only what was made here and still has its name.
    if (madeId !== undefined && currentId(store, image.reference) !== madeId) continue;
    applets ??= (await run(path, ['--list-full'])).stdout.split('\n').filter((line) => line !== '');
    options.progress?.({ status: 'Making', id: image.reference });
    const result = await store.import(Readable.from([image.tar(binary, applets)]), {
      reference: image.reference,
      message: 'Made by Berth from busybox-static',
      changes: image.changes,
      // Of the package, so that the same busybox gives the same image everywhere.
      createdAtMs: Math.floor((await stat(path)).mtimeMs),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    store.setFact(fact, `${key} ${result.id}`);
    options.progress?.({ status: 'Made', id: image.reference });
    options.log?.info({ image: image.reference, id: result.id }, 'made a local image');
    made.push(image.reference);
  }
  return made;
}

const IMAGES: readonly {
  readonly reference: string;
  readonly tar: (binary: Buffer, applets: readonly string[]) => Buffer;
  readonly changes: readonly string[];
}[] = [
  { reference: 'busybox:latest', tar: busyboxTar, changes: [`ENV ${PATH}`, 'CMD ["sh"]'] },
  { reference: 'berth/hello:latest', tar: helloTar, changes: [`ENV ${PATH}`, 'CMD ["/hello"]'] },
];

function currentId(store: ImageStore, reference: string): string | undefined {
  return store.list().find((image) => image.tags.includes(reference))?.id;
}
