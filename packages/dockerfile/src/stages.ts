import { dockerfileInvalid } from './faults.ts';
import type { FromInstruction, Instruction } from './instruction.ts';
import { parseMount } from './mount-flag.ts';

export interface Stage {
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/**
 * Positions of the stages that have to be built for one of them, in order: those it begins from, copies from or mounts, and so
 * on. `target` is a name or a number; empty: the last. `base` gives the expanded image of a `FROM`. Fault `dockerfile-invalid`.
 */
export function stagesNeeded(stages: readonly Stage[], target: string, base: (from: FromInstruction) => string): number[] {
  const wanted = target === '' ? stages.length - 1 : find(stages, target, stages.length);
  if (wanted === undefined) throw dockerfileInvalid(`failed to reach build target ${target} in Dockerfile`);
  const needed = new Set<number>();
  const need = (position: number) => {
    if (needed.has(position)) return;
    needed.add(position);
    const stage = stages[position] as Stage;
    for (const name of [base(stage.from), ...stage.instructions.flatMap(sourcesOf)]) {
      const other = find(stages, name, position);
      if (other !== undefined) need(other);
    }
  };
  need(wanted);
  return [...needed].sort((a, b) => a - b);
}

/** A stage before `before` by its name or, in a copy, its number. */
function find(stages: readonly Stage[], name: string, before: number): number | undefined {
  for (let at = before - 1; at >= 0; at--) if (stages[at]?.from.as === name.toLowerCase()) return at;
  return /^\d+$/.test(name) && Number(name) < before ? Number(name) : undefined;
}

function sourcesOf(instruction: Instruction): string[] {
  if (instruction.name === 'COPY' && instruction.from !== undefined) return [instruction.from];
  if (instruction.name === 'RUN') return instruction.mounts.flatMap((mount) => parseMount(mount).from ?? []);
  return [];
}
