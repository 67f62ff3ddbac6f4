// Entry of the daemon. Plain JavaScript, so that with a warm compile cache nothing has to strip types: the start is
// quicker and the daemon some 40 MB smaller. `--compile-only` fills the cache and ends.
import { enableCompileCache, flushCompileCache } from 'node:module';

enableCompileCache(new URL('../../../build/compile-cache', import.meta.url).pathname);
const { runDaemon } = await import('./daemon.ts');
if (process.argv[2] === '--compile-only') {
  flushCompileCache();
  process.exit(0);
}
await runDaemon(process.argv.slice(2));
