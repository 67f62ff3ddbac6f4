import { type Configuration, configure, type Instruction, variablesOf } from '@berth/dockerfile';
import type { Image } from '@berth/images';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where a stage stands: the image so far, and what the next one will say of itself. */
export class StageState {
  /** Absent: nothing yet (`FROM scratch`). */
  image: Image | undefined;
  config: Configuration;
  author: string;
  /** A step was not found among the images of earlier builds: none after it will be. */
  missed = false;
  #hasCommand = false;

  constructor(image: Image | undefined) {
    this.image = image;
    this.author = image?.configuration.author ?? '';
    const config = image?.configuration.config ?? {};
    const env = config.Env ?? [];
    this.config = { ...config, Env: env.some((entry) => entry.startsWith('PATH=')) ? env : [...env, DEFAULT_PATH] };
  }

  get imageId(): string {
    return this.image?.id ?? '';
  }

  get env(): Map<string, string> {
    return variablesOf(this.config.Env);
  }

  /** Triggers for the images made of this one; taken off, they are for this build. */
  takeTriggers(): readonly string[] {
    const triggers = (this.config['OnBuild'] as readonly string[] | null | undefined) ?? [];
    if (triggers.length > 0) this.config = { ...this.config, OnBuild: null };
    return triggers;
  }

  /** An ENTRYPOINT does away with a CMD that came from below. */
  apply(instruction: Instruction): void {
    this.config = configure(this.config, instruction);
    if (instruction.name === 'CMD') this.#hasCommand = true;
    if (instruction.name === 'ENTRYPOINT' && !this.#hasCommand) this.config = { ...this.config, Cmd: null };
    if (instruction.name === 'MAINTAINER') this.author = instruction.word;
  }
}
