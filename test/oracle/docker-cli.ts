import { run } from '@berth/sys';

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From just before the command was spawned to its end with all output read. */
  readonly wallMs: number;
}

export interface CliOptions {
  readonly input?: string | Buffer;
  /** Kills the command; default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const everyExitCode = Array.from({ length: 256 }, (_, code) => code);

/** The stock docker command pointed at one socket. Any exit code is an answer; only a missing binary or a time-out throws. */
export class DockerCli {
  readonly socketPath: string;
  readonly #binary: string;
  readonly #configDirectory: string;

  /** `configDirectory` may be empty or missing; it keeps the user's own contexts and logins out. */
  constructor(options: { socketPath: string; configDirectory: string; binary?: string }) {
    this.socketPath = options.socketPath;
    this.#configDirectory = options.configDirectory;
    this.#binary = options.binary ?? process.env['BERTH_TEST_DOCKER'] ?? 'docker';
  }

  async run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const begin = performance.now();
    const result = await run(this.#binary, this.arguments(args), { ...options, accept: everyExitCode, env: this.environment });
    return { ...result, wallMs: performance.now() - begin };
  }

  /** Like `run`, but anything other than exit code 0 throws with what was said. Gives the trimmed standard output. */
  async ok(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.exitCode !== 0) throw new Error(`docker ${args.join(' ')} ended with ${result.exitCode}: ${result.stderr.trim()}`);
    return result.stdout.trim();
  }

  /** For those who spawn it themselves (a terminal, a pipe held open). */
  get command(): string {
    return this.#binary;
  }

  arguments(args: readonly string[]): string[] {
    return ['-H', `unix://${this.socketPath}`, ...args];
  }

  get environment(): Record<string, string> {
    return { DOCKER_CONFIG: this.#configDirectory, DOCKER_HOST: '', DOCKER_CONTEXT: '', DOCKER_CLI_HINTS: 'false' };
  }
}
