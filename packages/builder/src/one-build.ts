import {
  BuildArguments,
  expandInstruction,
  expandWord,
  type FromInstruction,
  type Instruction,
  type ParsedDockerfile,
  parseInstruction,
  type Stage,
  stagesNeeded,
} from '@berth/dockerfile';
import type { Image } from '@berth/images';
import { isFault, shortId } from '@berth/kit';
import { configureStep } from './configure-step.ts';
import { copyStep } from './copy-step.ts';
import { buildFailed } from './faults.ts';
import { runStep } from './run-step.ts';
import { StageState } from './stage-state.ts';
import type { World } from './world.ts';

/** Goes through the stages of a Dockerfile that are needed, step by step, and says so as dockerd does. */
export class OneBuild {
  readonly #world: World;
  readonly #file: ParsedDockerfile;
  readonly #arguments: BuildArguments;
  /** By position and by name. */
  readonly #done = new Map<string, Image | undefined>();
  #step = 0;
  #steps = 0;

  constructor(world: Omit<World, 'imageNamed'>, file: ParsedDockerfile) {
    this.#world = { ...world, imageNamed: (from) => this.#imageNamed(from) };
    this.#file = file;
    this.#arguments = new BuildArguments(world.request.arguments, platformArguments());
  }

  async run(): Promise<Image> {
    const { output, request } = this.#world;
    const { stages, globals, escape } = this.#file;
    for (const [key, value] of globals.flatMap(({ pairs }) => pairs)) {
      this.#arguments.addGlobal(key, value === undefined ? undefined : expandWord(value, this.#arguments.globals(), escape));
    }
    const base = (from: FromInstruction) => expandWord(from.image, this.#arguments.globals(), escape);
    const needed = stagesNeeded(stages, request.target, base);
    const labels = Object.entries(request.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    const work = needed.map((position, index) => ({
      position,
      stage: index === needed.length - 1 ? labelled(stages[position] as Stage, labels) : (stages[position] as Stage),
    }));
    this.#steps = globals.length + work.reduce((sum, { stage }) => sum + 1 + stage.instructions.length, 0);
    for (const { text } of globals) this.#say(text);
    let image: Image | undefined;
    for (const { position, stage } of work) {
      image = await this.#stage(stage, base(stage.from));
      this.#done.set(String(position), image);
      if (stage.from.as !== undefined) this.#done.set(stage.from.as, image);
    }
    if (image === undefined) throw buildFailed('No image was generated. Is your Dockerfile empty?');
    const unused = this.#arguments.unused();
    if (unused.length > 0) output.text(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    return image;
  }

  async #stage({ from, instructions }: Stage, base: string): Promise<Image | undefined> {
    const { output, signal } = this.#world;
    this.#say(from.text);
    if (base === '') throw buildFailed(`base name (${from.image}) should not be blank`);
    this.#arguments.beginStage();
    const platform = from.platform === undefined ? undefined : expandWord(from.platform, this.#arguments.globals(), this.#file.escape);
    const state = new StageState(
      base === 'scratch' ? undefined : await this.#imageNamed(base, { isBase: true, ...(platform === undefined ? {} : { platform }) }),
    );
    const triggers = state.takeTriggers();
    if (triggers.length > 0) {
      output.text(`# Executing ${triggers.length} build trigger${triggers.length > 1 ? 's' : ''}\n`);
      for (const text of triggers) await this.#perform(state, parseInstruction({ line: 0, text, heredocs: [] }, this.#file.escape));
    }
    output.text(` ---> ${shortId(state.imageId)}\n`);
    for (const instruction of instructions) {
      signal.throwIfAborted();
      this.#say(instruction.text);
      await this.#perform(state, instruction);
      output.text(` ---> ${shortId(state.imageId)}\n`);
    }
    if (state.image !== undefined) output.built(state.image.id);
    return state.image;
  }

  async #perform(state: StageState, written: Instruction): Promise<void> {
    const variables = new Map([...this.#arguments.inStage(state.env), ...state.env]);
    const instruction = expandInstruction(written, variables, this.#file.escape);
    switch (instruction.name) {
      case 'RUN':
        return await runStep(this.#world, state, instruction, this.#arguments);
      case 'COPY':
      case 'ADD':
        return await copyStep(this.#world, state, instruction);
      case 'ARG':
        this.#arguments.add(instruction);
        return await configureStep(this.#world, state, instruction);
      default:
        return await configureStep(this.#world, state, instruction);
    }
  }

  /** A stage, or an image of the store; what isn't there is pulled, and a base may be pulled although it is. */
  async #imageNamed(name: string, { isBase = false, platform }: { isBase?: boolean; platform?: string } = {}): Promise<Image> {
    const { engine, request, output, signal, owner } = this.#world;
    const stage = isBase && /^\d+$/.test(name) ? undefined : this.#done.get(name.toLowerCase());
    if (stage !== undefined) return stage;
    if (!isBase && /^\d+$/.test(name)) throw buildFailed(`invalid from flag value ${name}: refers to current or later build stage`);
    const { images } = engine;
    const local = (): Image | undefined => {
      try {
        return images.get(name);
      } catch (error) {
        if (isFault(error, 'image-not-found')) return undefined;
        throw error;
      }
    };
    let image = request.pull && isBase ? undefined : local();
    if (image === undefined) {
      const reference = /(?::[^/]*|@.*)$/.test(name) ? name : `${name}:latest`;
      const credentials = request.credentials(reference);
      const wanted = platform ?? request.platform;
      await images.registries.pull(reference, {
        all: false,
        ...(wanted === undefined || wanted === '' ? {} : { platform: wanted }),
        ...(credentials === undefined ? {} : { credentials }),
        progress: (message) => output.message(message),
        signal,
      });
      image = images.get(name);
    }
    images.lease(image, owner);
    return image;
  }

  #say(text: string): void {
    this.#world.output.text(`Step ${++this.#step}/${this.#steps} : ${text}\n`);
  }
}

/** Labels of the request are instructions at the end of the last stage. */
function labelled(stage: Stage, labels: readonly (readonly [string, string])[]): Stage {
  const more = labels.map(([key, value]): Instruction => ({ name: 'LABEL', line: 0, text: `LABEL ${key}=${value}`, pairs: [[key, value]], literal: true }));
  return { ...stage, instructions: [...stage.instructions, ...more] };
}

/** What BuildKit says of platforms; here the builder's and the target's are one. */
function platformArguments(): Record<string, string> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return Object.fromEntries(
    ['TARGET', 'BUILD'].flatMap((side) => [
      [`${side}PLATFORM`, `linux/${architecture}`],
      [`${side}OS`, 'linux'],
      [`${side}ARCH`, architecture],
      [`${side}VARIANT`, ''],
    ]),
  );
}
