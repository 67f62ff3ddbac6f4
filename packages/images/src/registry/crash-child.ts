/** Run by crash.test.ts as a process of its own, to be killed in the middle: pulls one image. */
import { ImageStore } from '../image-store.ts';

const [directory = '', reference = ''] = process.argv.slice(2);
await using store = await ImageStore.open({ directory });
await store.registries.pull(reference, { all: false, progress: ({ status, id }) => process.stdout.write(`${String(status)} ${String(id)}\n`) });
