import { type Configuration, configure, expandInstruction, parseInstruction, variablesOf } from '@berth/dockerfile';
import { changeInvalid } from '../faults.ts';
import type { ImageProcessDefaults } from '../port.ts';

/** What `docker import` and `docker commit` take after `--change`. */
const ALLOWED = new Set(['CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'HEALTHCHECK', 'LABEL', 'ONBUILD', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR']);

/** Applies Dockerfile lines to an image's defaults, in order. Faults `change-invalid`, `dockerfile-invalid`, as the daemon words them. */
export function applyChanges(defaults: ImageProcessDefaults, changes: readonly string[]): ImageProcessDefaults {
  const lines = joinContinued(changes);
  if (changes.length > 0 && lines.length === 0) throw changeInvalid('file with no instructions');
  return lines.reduce((config: Configuration, text) => {
    const name = text.split(/\s/, 1)[0] ?? '';
    if (!ALLOWED.has(name.toUpperCase())) throw changeInvalid(`${name.toLowerCase()} is not a valid change command`);
    return configure(config, expandInstruction(parseInstruction({ line: 1, text, heredocs: [] }), variablesOf(config.Env), '\\'));
  }, defaults);
}

function joinContinued(changes: readonly string[]): string[] {
  return changes
    .join('\n')
    .replaceAll(/\\[ \t]*\n/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
