import { runningDaemon, startDaemon, stopDaemon, until } from './daemon.mjs';
import { call } from './docker-endpoint.mjs';
import { places, virtualMachines } from './instance.mjs';
import { berthNode } from './npm.mjs';
import { ROOT } from './options.mjs';
import { Problem } from './problem.mjs';
import { createProgress } from './progress.mjs';
import { tellStill } from './start.mjs';

/** Ends the daemon; with `--all` every container first. Never leaves anything running without saying so. */
export async function stop(options) {
  const progress = createProgress();
  const json = options.flags.has('--json');
  if (json) progress.silence();
  const all = options.flags.has('--all');
  let facts = runningDaemon(options);
  if (facts === undefined && !(all && virtualMachines(options).length > 0)) {
    const left = virtualMachines(options);
    progress.line(
      left.length === 0 ? 'Berth is not running.' : `The daemon is not running; ${left.length} virtual machines are. ‘npm run stop -- --all’ ends them.`,
    );
    if (json) process.stdout.write(`${JSON.stringify({ stopped: false, stillRunning: left.length })}\n`);
    return 0;
  }
  if (facts === undefined) {
    // Containers outlived their daemon: only a daemon knows how to end them in order.
    facts = await progress.step('berthd', async (say) => ({
      remark: 'started to end what is left',
      value: (await startDaemon(options, berthNode(ROOT), say)).facts,
    }));
  }
  const { socket } = places(options);
  let still = [];
  if (all) {
    await progress.step('containers', async (say) => {
      const running = await call(socket, 'GET', '/containers/json');
      let ended = 0;
      await Promise.all(
        running.map(async (container) => {
          await call(socket, 'POST', `/containers/${container.Id}/stop`, undefined, { timeoutMs: 60_000 }).catch((error) => {
            if (error.status !== 404 && error.status !== 304) throw error;
          });
          say(`${(ended += 1)} of ${running.length} ended`);
        }),
      );
      return `${running.length} ended`;
    });
  } else {
    still = await call(socket, 'GET', '/containers/json').catch(() => []);
  }
  await progress.step('stopping', async () => {
    await stopDaemon(options, facts);
    return 'berthd ended';
  });
  if (all && !(await until(() => virtualMachines(options).length === 0, 10_000))) {
    throw new Problem(`${virtualMachines(options).length} virtual machines are still there: pids ${virtualMachines(options).join(', ')}.`, [
      `See ${places(options).log}.`,
    ]);
  }
  tellStill(progress, options, still);
  if (json) process.stdout.write(`${JSON.stringify({ stopped: true, stillRunning: still.length })}\n`);
  return 0;
}
