import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isFault } from '@berth/kit';
import { FakeRuntime } from '@berth/runtime/fake';
import { Store } from '@berth/store';
import { openTestEngine, type TestEngine } from '../stand-ins/index.ts';
import { Ledger } from './ledger.ts';
import type { Told } from './told.ts';

const ROUNDS = Number(process.env['BERTH_STORM_ROUNDS'] ?? 10);
const child = fileURLToPath(new URL('./storm-child.ts', import.meta.url));

/** One life of the daemon: SIGKILL comes `lifeMs` after it opened, or already while it reconciles. */
async function live(directory: string, ledger: Ledger, lifeMs: number, whileOpening: boolean): Promise<void> {
  const daemon = spawn(process.execPath, [child, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => daemon.once('close', resolve));
  const limit = setTimeout(() => daemon.kill('SIGKILL'), whileOpening ? 150 + lifeMs : 30_000);
  let opened = false;
  for await (const line of createInterface({ input: daemon.stdout })) {
    const told = JSON.parse(line) as Told;
    ledger.take(told);
    if ('opened' in told) {
      opened = true;
      setTimeout(() => daemon.kill('SIGKILL'), lifeMs);
    }
  }
  clearTimeout(limit);
  assert.equal(await ended, null, 'the daemon ended by the signal, not by itself');
  assert.ok(opened || whileOpening, 'the daemon opened its engine');
  ledger.died();
}

async function linesOf(t: TestEngine, id: string): Promise<string[]> {
  const parts: Buffer[] = [];
  for await (const lines of t.engine.logs(id, { stdout: true, stderr: true, follow: false, signal: AbortSignal.timeout(10_000) })) {
    for (const { data } of lines) parts.push(data);
  }
  return Buffer.concat(parts).toString().trimEnd().split('\n');
}

/** Each run counts from 1: within a run no number is missing or comes twice. A rotated log begins anywhere. */
function assertCounts(lines: readonly string[], id: string): void {
  let expected = Number(lines[0] ?? 1);
  for (const [index, line] of lines.entries()) {
    if (line === '1') expected = 1;
    // The last line of a run that was killed may be cut anywhere.
    const cut = index === lines.length - 1 || lines[index + 1] === '1';
    if (!cut || line === String(expected)) assert.equal(line, String(expected), `line ${index} of the log of ${id}`);
    expected += 1;
  }
}

/** Waits until what ends by itself has ended. */
async function settle(t: TestEngine): Promise<void> {
  const limit = AbortSignal.timeout(20_000);
  for (const { definition, state } of t.engine.containers()) {
    if (['counter', 'phoenix'].includes(definition.labels['kind'] ?? '') || (state.phase !== 'running' && state.phase !== 'removing')) continue;
    await t.engine.waitContainer(definition.id, definition.autoRemove ? 'removed' : 'not-running', limit).catch((error: unknown) => {
      if (!isFault(error, 'container-not-found')) throw error;
    });
  }
}

function assertStandings(t: TestEngine, ledger: Ledger): void {
  const views = new Map(t.engine.containers().map((view) => [view.definition.id, view]));
  for (const [id, entry] of ledger.entries) {
    const state = views.get(id)?.state;
    if (entry.standing === 'removed') assert.equal(state, undefined, `${id} was removed`);
    if (entry.kind === 'rm' && entry.started) assert.equal(state, undefined, `${id} had to remove itself`);
    if (entry.uncertain || entry.kind === 'rm' || entry.standing === 'removed') continue;
    assert.ok(state !== undefined, `${id} was never removed`);
    if (entry.kind === 'short' && entry.started) assert.deepEqual({ phase: state.phase, code: state.exitCode }, { phase: 'exited', code: entry.code });
    if (entry.kind === 'phoenix' && entry.started) assert.match(state.phase, /^(running|restarting)$/, `${id} had to be started again`);
    if (entry.kind === 'counter') assert.equal(state.phase, entry.standing, `phase of ${id}`);
    if (state.phase === 'running') process.kill(state.pid, 0);
  }
}

/** Ends and removes every container; gives how many lines of log were looked at. */
async function readAndRemove(t: TestEngine): Promise<number> {
  let counted = 0;
  for (const { definition, state } of t.engine.containers()) {
    if (definition.labels['kind'] === 'counter' && state.startedAtMs > 0) {
      if (state.phase === 'running' || state.phase === 'paused') await t.engine.killContainer(definition.id, 9);
      const lines = await linesOf(t, definition.id);
      assertCounts(lines, definition.id);
      counted += lines.length;
    }
    await t.engine.removeContainer(definition.id, { force: true, volumes: false });
  }
  return counted;
}

test(`the daemon is killed ${ROUNDS} times during a storm, and nothing is lost or left`, { timeout: 60_000 + ROUNDS * 8_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-storm-'));
  const ledger = new Ledger();
  try {
    for (let round = 0; round < ROUNDS; round += 1) await live(directory, ledger, randomInt(1, 700), round % 5 === 4);
    await using t = await openTestEngine(directory);
    await settle(t);
    assertStandings(t, ledger);
    assert.ok((await readAndRemove(t)) > 0, 'the storm left logs to look at');
    assert.deepEqual(await t.runtime.list(), [], 'the runtime holds nothing');
    assert.deepEqual(await readdir(join(directory, 'logs')), [], 'no log is left');
    assert.equal(t.networking.endpoints.size, 0, 'no address is left');
    assert.equal(t.images.leases.size, 0, 'no lease is left');
    await using store = await Store.open({ path: join(directory, 'state.db') });
    assert.deepEqual(await store.db.selectFrom('containers').select('id').execute(), []);
    assert.deepEqual(ledger.trouble, []);
  } finally {
    const runtime = await FakeRuntime.open({ directory: join(directory, 'fake') });
    await runtime.end();
    await rm(directory, { recursive: true });
  }
});
