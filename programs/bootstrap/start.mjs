import { checkMachine, checkSpace } from './machine.mjs';
import { hasCommand } from './apt.mjs';
import { startDaemon, runningDaemon, stopDaemon } from './daemon.mjs';
import { answers, call } from './docker-endpoint.mjs';
import { places, processStartTicks } from './instance.mjs';
import { instanceArguments } from './options.mjs';
import { compileDaemon, prepareGuest, prepareModules, prepareSystem } from './prepare.mjs';
import { Problem } from './problem.mjs';
import { createProgress, duration } from './progress.mjs';
import { selfCheck } from './self-check.mjs';

export async function start(options) {
  const begun = Date.now();
  const progress = createProgress();
  const json = options.flags.has('--json');
  if (json) progress.silence();
  const system = checkMachine();
  const { socket } = places(options);

  const running = runningDaemon(options);
  if (running !== undefined && running.phase === 'ready' && (await answers(socket))) {
    progress.line(`Berth already runs (pid ${running.pid}, since ${new Date(running.startedAtMs).toLocaleString()}).`);
    tellLines(progress, options, running);
    if (json) process.stdout.write(`${JSON.stringify({ ...running, alreadyRunning: true })}\n`);
    return 0;
  }
  if (running !== undefined) {
    throw new Problem(`A berthd for ${options.stateDir} (pid ${running.pid}) is there but not ready.`, ['Wait a moment, or end it: npm run stop']);
  }

  if (!system.known) progress.line(progress.yellow(`${system.name} is not among the systems Berth knows; trying with its apt.`));
  else if (!system.tested) progress.line(progress.dim(`${system.name}: package names are known, the tests have not been run there.`));
  await prepareSystem(progress, system);
  const node = await prepareModules(progress);
  await prepareGuest(progress, node);
  checkSpace(options.stateDir, 300 << 20, 'Keeping images and containers');
  const { child, facts } = await progress.step('berthd', async (say) => {
    await compileDaemon(node, say);
    const started = await startDaemon(options, node, say);
    return { remark: `pid ${started.facts.pid}, template ready (${started.facts.acceleration === 'kvm' ? 'KVM' : 'emulation'})`, value: started };
  });
  await progress.step('self-check', async () => {
    const { startMs, totalMs } = await selfCheck(socket);
    return `berth/hello started in ${startMs} ms, ran and was removed after ${totalMs} ms`;
  });
  progress.line(`\n${progress.bold('Berth is ready')} after ${duration(Date.now() - begun)}.`);
  tellLines(progress, options, facts);
  if (json) process.stdout.write(`${JSON.stringify({ ...facts, alreadyRunning: false })}\n`);
  if (options.flags.has('--detach')) {
    progress.line(`\nIt runs in the background. ${progress.dim(`npm run status${tail(options)}   npm run stop${tail(options)}`)}`);
    return 0;
  }
  progress.line(`\nCtrl-C ends the daemon; containers keep running until ‘npm run stop -- --all’.`);
  return foreground(progress, options, child, facts);
}

function tail(options) {
  const given = instanceArguments(options);
  return given === '' ? '' : ` -- ${given}`;
}

/** The lines to use, and the honest word about isolation. */
export function tellLines(progress, options, facts) {
  const host = `unix://${places(options).socket}`;
  const name = options.prefix === 'berth' ? 'berth' : `berth-${options.prefix}`;
  progress.line('');
  if (!hasCommand('docker')) {
    progress.line(progress.yellow('  There is no docker client on this machine. Any will do; Debian’s own:'));
    progress.line('    apt-get install --no-install-recommends docker-cli   (Debian 12 and Ubuntu: docker.io, which also brings a daemon)');
    progress.line('');
  }
  progress.line(`  ${progress.bold(`docker -H ${host} run --rm berth/hello`)}`);
  progress.line(`  docker context create ${name} --docker host=${host}`);
  progress.line(`  docker --context ${name} run --rm -it busybox`);
  progress.line('');
  if (facts.acceleration === 'kvm') {
    progress.line('  Isolation: hardware virtualization (KVM). Every container has a kernel and a virtual machine of its own.');
  } else {
    progress.line(progress.yellow('  Isolation: software emulation. Every container has a kernel and a virtual machine of its own, but'));
    progress.line(progress.yellow('  emulation is slower and is NOT a security boundary: do not run hostile code here.'));
  }
  progress.line(progress.dim(`  ${facts.verdict}`));
}

/** Stays until Ctrl-C, a signal or the daemon's end; then says what is still running. */
function foreground(progress, options, child, facts) {
  return new Promise((resolve) => {
    let asked = false;
    const alive = setInterval(() => {
      if (processStartTicks(facts.pid) === facts.startTicks || asked) return;
      clearInterval(alive);
      const why = child.signalCode ?? (child.exitCode === null ? 'ended' : `exit code ${child.exitCode}`);
      process.stderr.write(
        `\nberthd is gone (${why}); its log: ${places(options).log}\nContainers keep running; ‘npm start${tail(options)}’ takes them up again.\n`,
      );
      resolve(child.exitCode === 0 ? 0 : 1);
    }, 500);
    const stop = async () => {
      if (asked) return;
      asked = true;
      clearInterval(alive);
      progress.line('');
      let still = [];
      try {
        still = await call(places(options).socket, 'GET', '/containers/json');
      } catch {
        // The daemon may be on its way out already.
      }
      try {
        await progress.step('stopping', async () => {
          await stopDaemon(options, facts);
          return 'berthd ended';
        });
        tellStill(progress, options, still);
        resolve(0);
      } catch (error) {
        process.stderr.write(`${error.message}\n`);
        resolve(1);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  });
}

/** What goes on without the daemon. @param {readonly { Names: string[], Id: string }[]} containers */
export function tellStill(progress, options, containers) {
  if (containers.length === 0) {
    progress.line('Nothing is running any more.');
    return;
  }
  const names = containers.map((container) => (container.Names?.[0] ?? container.Id.slice(0, 12)).replace(/^\//, ''));
  const shown = names.slice(0, 8).join(', ') + (names.length > 8 ? `, and ${names.length - 8} more` : '');
  const one = names.length === 1;
  progress.line(`${names.length} ${one ? 'container keeps' : 'containers keep'} running without the daemon: ${shown}.`);
  progress.line(
    `‘npm start${tail(options)}’ takes ${one ? 'it' : 'them'} up again; ‘npm run stop -- --all${instanceArguments(options) ? ` ${instanceArguments(options)}` : ''}’ ends ${one ? 'it' : 'them'}.`,
  );
}
