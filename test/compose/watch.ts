import { spawn } from 'node:child_process';
import type { DockerCli } from '../oracle/index.ts';

/** Follows a daemon's events of these kinds, as lines `action id`. Followed rather than asked for afterwards: it remembers 256 of all kinds. */
export class Watch implements Disposable {
  readonly #child;
  #text = '';

  constructor(docker: DockerCli, kinds: readonly string[]) {
    const filters = kinds.flatMap((kind) => ['--filter', `event=${kind}`]);
    const args = ['-H', `unix://${docker.socketPath}`, 'events', '--since', '1s', ...filters, '--format', '{{.Action}} {{.Actor.ID}}'];
    this.#child = spawn('docker', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout.on('data', (data: Buffer) => (this.#text += data.toString()));
  }

  get lines(): string[] {
    return this.#text.split('\n');
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
