/**
 * Dockerfiles as data: parsed (with heredocs, flags and both forms of commands), their words expanded, their stages sorted
 * out, what each instruction does to an image's configuration; and the patterns of .dockerignore. Pure: it reads nothing and
 * runs nothing.
 */
export { BuildArguments } from './build-arguments.ts';
export { configure, type Configuration, variablesOf } from './configure.ts';
export { dockerfileInvalid } from './faults.ts';
export { expandInstruction } from './expand-instruction.ts';
export { expandWord, type Variables } from './expand.ts';
export { commentOf } from './history.ts';
export { globRegExp, IgnoreRules } from './ignore.ts';
export type { Command, CopyInstruction, FromInstruction, Heredoc, Instruction, RunInstruction } from './instruction.ts';
export { type MountFlag, parseMount } from './mount-flag.ts';
export { parseDockerfile, parseInstruction, type ParsedDockerfile } from './parse.ts';
export { argsOf, commandLine, scriptOf } from './shell-form.ts';
export { type Stage, stagesNeeded } from './stages.ts';
