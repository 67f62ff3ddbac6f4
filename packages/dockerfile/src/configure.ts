import { workdirAfter } from './expand-instruction.ts';
import { exposedPorts } from './exposed-ports.ts';
import type { Instruction } from './instruction.ts';
import { argsOf } from './shell-form.ts';

/** Docker's `Config` of an image, with Docker's own field names. */
export interface Configuration {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[] | null;
  readonly [key: string]: unknown;
}

/** What an instruction (expanded already) makes of the configuration of an image. Those that make layers change nothing. */
export function configure(config: Configuration, instruction: Instruction): Configuration {
  switch (instruction.name) {
    case 'CMD':
      return { ...config, Cmd: argsOf(instruction.command, config.Shell) };
    case 'ENTRYPOINT': {
      const args = argsOf(instruction.command, config.Shell);
      const none = instruction.command.form === 'exec' ? args.length === 0 : instruction.command.text === '';
      const { Entrypoint: _, ...rest } = config;
      return none ? rest : { ...config, Entrypoint: args };
    }
    case 'SHELL':
      return { ...config, Shell: argsOf(instruction.command, undefined) };
    case 'ENV':
      return { ...config, Env: withVariables(config.Env ?? [], instruction.pairs) };
    case 'LABEL':
      return { ...config, Labels: sorted({ ...config.Labels, ...Object.fromEntries(instruction.pairs.map(([key, value = '']) => [key, value])) }) };
    case 'EXPOSE':
      return { ...config, ExposedPorts: sorted({ ...config.ExposedPorts, ...exposedPorts(instruction.words) }) };
    case 'VOLUME':
      return { ...config, Volumes: sorted({ ...config.Volumes, ...Object.fromEntries(instruction.words.map((path) => [path, {}])) }) };
    case 'HEALTHCHECK':
      return { ...config, Healthcheck: instruction.check };
    case 'ONBUILD':
      return { ...config, OnBuild: [...((config['OnBuild'] as string[] | null | undefined) ?? []), instruction.word] };
    case 'STOPSIGNAL':
      return { ...config, StopSignal: instruction.word };
    case 'USER':
      return { ...config, User: instruction.word };
    case 'WORKDIR':
      return { ...config, WorkingDir: workdirAfter(config.WorkingDir ?? '', instruction.word) };
    default:
      return config;
  }
}

/** As Go writes a map. */
function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A name that is there already keeps its place. */
function withVariables(before: readonly string[], pairs: readonly (readonly [string, string | undefined])[]): string[] {
  const env = [...before];
  for (const [name, value = ''] of pairs) {
    const at = env.findIndex((entry) => entry.startsWith(`${name}=`));
    if (at < 0) env.push(`${name}=${value}`);
    else env[at] = `${name}=${value}`;
  }
  return env;
}

/** The variables of a configuration, for expanding what comes next. */
export function variablesOf(env: readonly string[] | null | undefined): Map<string, string> {
  return new Map((env ?? []).map((entry) => (entry.includes('=') ? [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] : [entry, ''])));
}
