import { call } from './docker-endpoint.mjs';
import { places, proportionalMemory, runningDaemon, virtualMachines } from './instance.mjs';
import { createProgress, duration } from './progress.mjs';
import { tellLines } from './start.mjs';

/** What there is, for people or (`--json`) for programs. */
export async function status(options) {
  const progress = createProgress();
  const daemon = runningDaemon(options);
  const machines = virtualMachines(options);
  const { socket, log } = places(options);
  const facts = {
    running: false,
    virtualMachines: machines.length,
    stateDirectory: options.stateDir,
    runDirectory: options.runDir,
    prefix: options.prefix,
    log,
  };
  if (daemon !== undefined) {
    Object.assign(facts, daemon, { running: true, memoryBytes: proportionalMemory(daemon.pid), upMs: Date.now() - daemon.startedAtMs });
    try {
      const info = await call(socket, 'GET', '/info');
      facts.containers = { total: info.Containers, running: info.ContainersRunning, paused: info.ContainersPaused, stopped: info.ContainersStopped };
      facts.images = info.Images;
      facts.answers = true;
    } catch (error) {
      facts.answers = false;
      facts.error = error.message;
    }
  }
  if (options.flags.has('--json')) {
    process.stdout.write(`${JSON.stringify(facts, undefined, 2)}\n`);
    return 0;
  }
  if (!facts.running) {
    progress.line('Berth is not running.');
    if (machines.length > 0)
      progress.line(`${machines.length} virtual machines of it are: ‘npm start’ takes them up again, ‘npm run stop -- --all’ ends them.`);
    return 0;
  }
  progress.line(`Berth ${facts.version} runs: pid ${facts.pid}, up ${duration(facts.upMs)}, ${Math.round(facts.memoryBytes / (1 << 20))} MB of memory.`);
  if (facts.answers) {
    progress.line(`  containers   ${facts.containers.running} running, ${facts.containers.paused} paused, ${facts.containers.stopped} stopped`);
    progress.line(`  images       ${facts.images}`);
  } else progress.line(progress.yellow(`  The endpoint does not answer: ${facts.error}`));
  progress.line(`  machines     ${machines.length} (containers, and clones kept warm for the next ones)`);
  progress.line(`  state        ${options.stateDir}`);
  progress.line(`  log          ${log}`);
  tellLines(progress, options, facts);
  return 0;
}
