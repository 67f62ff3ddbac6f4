// Entry of the daemon. Plain JavaScript, so that with a warm compile cache nothing has to strip types: the start is
// quicker and the daemon some 20 MB smaller.
import { enableCompileCache } from 'node:module';

enableCompileCache(new URL('../../../build/compile-cache', import.meta.url).pathname);
const { runDaemon } = await import('./daemon.ts');
await runDaemon(process.argv.slice(2));
