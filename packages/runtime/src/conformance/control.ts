import assert from 'node:assert/strict';
import type { Define } from './subject.ts';

const ticking = 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done';

export function controlTests(define: Define): void {
  define('signals reach a process that handles them', async (trial) => {
    const { container, recorder } = await trial.start(
      trial.spec(['sh', '-c', 'trap "echo hup" HUP; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done']),
    );
    await recorder.until('ready');
    await container.signal(1);
    await recorder.until('hup');
    await container.signal(15);
    assert.equal((await container.exited).exitCode, 5);
  });

  define('a frozen container stands still, also when frozen twice, and goes on', async (trial) => {
    const { container, recorder } = await trial.start(trial.spec(['sh', '-c', ticking]));
    await recorder.until('tick 2\n');
    await container.pause();
    await container.pause();
    // What was on its way may still come; the processor time no longer grows.
    const before = (await container.statistics()).cpuUsageNs;
    const position = recorder.position;
    for (let i = 0; i < 10; i += 1) await container.statistics();
    assert.ok((await container.statistics()).cpuUsageNs - before <= 20e6, 'no processor time while frozen');
    assert.ok(recorder.position - position <= 'tick 100\n'.length * 2);
    const reached = Number(/(\d+)\n$/.exec(recorder.text())?.[1]);
    await container.unpause();
    await container.unpause();
    await recorder.until(`tick ${reached + 3}\n`);
    await container.destroy();
  });

  define('a frozen container can be killed', async (trial) => {
    const { container } = await trial.start(trial.spec(['sleep', '1000']));
    await container.pause();
    await container.signal(9);
    await container.unpause();
    assert.equal((await container.exited).exitCode, 137);
  });

  define('lists its processes and nobody else’s', async (trial) => {
    const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'sleep 1234 & echo ready; wait']));
    await recorder.until('ready');
    let rows = await container.processes();
    while (!rows.some((row) => row.command.startsWith('sleep 1234'))) rows = await container.processes();
    const child = rows.find((row) => row.command.startsWith('sleep 1234'));
    const main = rows.find((row) => row.pid === child?.ppid);
    assert.equal(rows.length, 2, JSON.stringify(rows));
    assert.match(main?.command ?? '', /^sh -c/);
    assert.equal(child?.uid, 0);
    assert.ok(Math.abs((child?.startedAtMs ?? 0) - Date.now()) < 60_000);
    await container.destroy();
  });

  define('counts processor time and memory', async (trial) => {
    const { container, recorder } = await trial.start(trial.spec(['sh', '-c', 'echo ready; while :; do :; done']));
    await recorder.until('ready');
    const first = await container.statistics();
    let last = await container.statistics();
    while (last.cpuUsageNs - first.cpuUsageNs < 100e6) last = await container.statistics();
    assert.ok(last.readAtMs >= first.readAtMs);
    assert.ok(last.systemCpuNs >= first.systemCpuNs);
    assert.ok(last.memoryUsageBytes > 0 && last.memoryUsageBytes <= last.memoryLimitBytes);
    assert.ok(last.pids >= 1 && last.onlineCpus >= 1);
    await container.destroy();
  });

  define('describes itself', async (trial) => {
    const facts = trial.runtime.describe();
    assert.equal(facts.name, trial.runtime.name);
    assert.ok(facts.verdict.length > 0 && facts.kernel.length > 0);
  });

  define('warming is answered at once and ends', async (trial) => {
    trial.runtime.warm({ rootfs: trial.subject.rootfs, memoryBytes: 96 << 20 });
    await trial.runtime.warmed();
    assert.equal((await trial.run(['true'])).exitCode, 0);
  });
}
