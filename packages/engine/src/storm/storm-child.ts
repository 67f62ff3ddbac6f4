/**
 * A daemon for the storm test: `node storm-child.ts DIRECTORY`. Opens the engine there, says so, and does random things to
 * containers until it is killed. Each operation is told before it begins and after it was answered, one JSON line each.
 */
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { isFault } from '@berth/kit';
import { openTestEngine } from '../stand-ins/index.ts';
import type { Kind, Told } from './told.ts';

const directory = process.argv[2] ?? '';
const never = new AbortController().signal;
const tell = (told: Told) => writeSync(1, `${JSON.stringify(told)}\n`);

const t = await openTestEngine(directory, {
  log: {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields, message) => tell({ trouble: `${message} ${JSON.stringify(fields)}` }),
    error: (fields, message) => tell({ trouble: `${message} ${String((fields as { err?: unknown }).err)}` }),
  },
});
const { engine } = t;
tell({ opened: true });

const counting = 'i=0; while :; do i=$((i+1)); echo $i; [ $((i%20)) -ne 0 ] || sleep 0.1; done';

function pick(): string | undefined {
  const ids = engine
    .containers()
    .filter((one) => one.definition.labels['kind'] === 'counter')
    .map((one) => one.definition.id);
  return ids.length === 0 ? undefined : ids[randomInt(ids.length)];
}

async function act(
  action: Told extends infer T ? (T extends { action: infer A } ? A : never) : never,
  id: string,
  work: () => Promise<unknown>,
  code?: number,
): Promise<void> {
  tell({ begun: true, action, id, ...(code === undefined ? {} : { code }) });
  try {
    await work();
    tell({ done: true, action, id });
  } catch (error) {
    if (!isFault(error)) throw error;
    tell({ refused: error.code, action, id });
  }
}

async function run(kind: Kind): Promise<void> {
  const code = kind === 'counter' ? 0 : randomInt(1, 100);
  const script = kind === 'counter' ? counting : kind === 'phoenix' ? 'echo up; sleep 0.1; exit 1' : `echo ${code}; sleep 0.0${randomInt(10)}; exit ${code}`;
  const { id } = await engine.createContainer(
    t.container(['sh', '-c', script], {
      labels: { kind, code: String(code) },
      autoRemove: kind === 'rm',
      stopTimeoutSeconds: 1,
      ...(kind === 'phoenix' ? { restart: { name: 'always', maximumRetries: 0 } } : {}),
      // Every other counter's log is rotated while the daemon dies.
      ...(randomInt(2) === 0 ? {} : { log: { driver: 'json-file', maxBytes: 4000, maxFiles: 4, compress: randomInt(2) === 0 } }),
    }),
  );
  tell({ created: id, kind, code });
  await act('start', id, () => engine.startContainer(id));
}

const phoenixes = () => engine.containers().filter((one) => one.definition.labels['kind'] === 'phoenix').length;

async function operate(): Promise<void> {
  const id = pick();
  const dice = randomInt(10);
  const counters = engine.containers().filter((one) => one.definition.labels['kind'] === 'counter').length;
  if (phoenixes() < 2) return await run('phoenix');
  if (id === undefined || counters < 4 || (dice < 2 && counters < 10)) return await run('counter');
  if (dice < 4) return await run('short');
  if (dice < 5) return await run('rm');
  if (dice === 5) return await act('kill', id, () => engine.killContainer(id, 9));
  if (dice === 6) return await act('start', id, () => engine.startContainer(id));
  if (dice === 7) return await act('remove', id, () => engine.removeContainer(id, { force: true, volumes: false }));
  if (dice === 8) {
    await act('pause', id, () => engine.pauseContainer(id));
    return await act('unpause', id, () => engine.unpauseContainer(id));
  }
  try {
    const none = { env: [], cwd: '', user: '', terminal: false, stdin: false, stdout: true, stderr: true, privileged: false, detachKeys: '' };
    const exec = await engine.createExec(id, { args: ['echo', 'hello'], ...none });
    const attachment = await engine.startExec(exec, { detach: false, signal: never });
    for await (const _ of attachment?.output ?? []);
  } catch (error) {
    if (!isFault(error)) throw error;
  }
}

async function loop(): Promise<never> {
  for (;;) await operate();
}

await Promise.all([loop(), loop(), loop()]);
