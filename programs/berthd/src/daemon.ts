import { mkdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { isFault } from '@berth/kit';
import { lockFile } from '@berth/sys';
import { compose, type Composition } from './compose.ts';
import { FactsFile, ownStartTicks, type DaemonFacts } from './facts-file.ts';
import { openLog, type Logger } from './log.ts';
import { keepMemoryLow } from './memory-keeper.ts';
import { parseOptions, type BerthdOptions } from './options.ts';
import { Progress } from './progress.ts';
import { commit, version } from './version.ts';

/** Everything is given back within this, or the process ends without: what is left is taken up by the next start. */
const STOP_LIMIT_MS = 25_000;

/**
 * The daemon's life: lock, compose, serve until SIGTERM or SIGINT, give back. Containers are not its children to end:
 * they keep running and are adopted by the next daemon, after an orderly end as after kill -9.
 */
export async function runDaemon(argv: readonly string[]): Promise<void> {
  const options = parseOptions(argv);
  if (options === undefined) return;
  const progress = new Progress(options.progressFd);
  // A terminal that closes is no reason to end; SIGPIPE is Node's to ignore.
  process.on('SIGHUP', () => undefined);
  let log: Logger | undefined;
  try {
    for (const directory of [options.stateDirectory, options.runDirectory]) mkdirSync(directory, { recursive: true, mode: 0o711 });
    using _state = lockFile(join(options.stateDirectory, 'lock'));
    using _run = lockFile(join(options.runDirectory, 'lock'));
    const opened = openLog(join(options.stateDirectory, 'berthd.log'));
    log = opened.log;
    await serve(options, progress, opened.log);
    opened.close();
    process.exitCode = 0;
  } catch (error) {
    log?.fatal({ err: error }, 'berthd cannot go on');
    progress.tell({ failed: explain(error) });
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
  // Whatever still holds the event loop (a connection on its way out) must not keep a stopped daemon alive.
  setTimeout(() => process.exit(), 1_000).unref();
}

async function serve(options: BerthdOptions, progress: Progress, log: Logger): Promise<void> {
  const stop = new AbortController();
  const stopping = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal);
        stop.abort(new Error(`stopped by ${signal}`));
      });
    }
  });
  // A promise nobody waited for has failed: one request is hurt, the daemon is not.
  process.on('unhandledRejection', (reason) => log.error({ err: reason }, 'a promise nobody waited for was rejected'));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an exception nobody caught; ending, so that the next start begins from what is on disk');
    process.exit(70);
  });

  const file = new FactsFile(join(options.runDirectory, 'berthd.json'));
  let facts: DaemonFacts = {
    phase: 'starting',
    pid: process.pid,
    startTicks: ownStartTicks(),
    startedAtMs: Date.now(),
    version: version(),
    commit: commit(),
    socket: join(options.runDirectory, 'default.sock'),
    stateDirectory: options.stateDirectory,
    runDirectory: options.runDirectory,
    prefix: options.prefix,
    acceleration: 'none',
    verdict: '',
    warnings: [],
  };
  file.write(facts);
  log.info({ version: facts.version, commit: facts.commit, options }, 'starting');
  // Whatever is being waited for, an event loop with nothing in it must not end the daemon.
  const alive = setInterval(() => undefined, 2 ** 30);
  let composition: Composition | undefined;
  try {
    composition = await compose(options, facts, { log, progress: (doing) => progress.tell({ doing }), signal: stop.signal });
    facts = { ...facts, phase: 'ready', ...composition.runtimeFacts() };
    file.write(facts);
    const readyMs = Math.round(performance.now());
    log.info({ readyMs, acceleration: facts.acceleration }, 'ready');
    progress.tell({ ready: { ...facts, readyMs } });
    flushCompileCache();
    const releaseKeeper = keepMemoryLow();
    const signal = await stopping;
    releaseKeeper();
    log.info({ signal }, 'stopping');
    file.write({ ...facts, phase: 'stopping' });
  } finally {
    clearInterval(alive);
    setTimeout(() => {
      log.error({ limitMs: STOP_LIMIT_MS }, 'could not give everything back in time; the next start will');
      file.remove();
      process.exit(1);
    }, STOP_LIMIT_MS).unref();
    await composition?.[Symbol.asyncDispose]();
    file.remove();
    log.info('stopped');
  }
}

function explain(error: unknown): { message: string; advice?: string[]; detail?: string } {
  if (isFault(error, 'locked')) {
    return {
      message: `Another berthd uses this directory: ${error.message}.`,
      advice: ['npm run status shows it, npm run stop ends it.', 'A second instance needs its own --state-dir, --run-dir and --prefix.'],
    };
  }
  if (isFault(error)) return { message: error.message, ...(error.detail === undefined ? {} : { detail: error.detail }) };
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC')
    return { message: `There is no space left for ${path ?? 'the state directory'}.`, advice: ['Free some space, or put it elsewhere with --state-dir.'] };
  return { message: error instanceof Error ? error.message : String(error), ...(error instanceof Error && error.stack ? { detail: error.stack } : {}) };
}
