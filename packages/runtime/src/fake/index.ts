/**
 * A runtime without isolation, for tests: each container is a host process under a holder process that outlives whoever
 * opened the runtime, as a virtual machine outlives the daemon. It takes the image's file system for granted and runs the
 * command from the host's; `fakeCannot` says aloud what else it lacks.
 */
export { FakeContainer } from './fake-container.ts';
export { FakeRuntime, type FakeRuntimeOptions } from './fake-runtime.ts';
export { fakeCannot } from './cannot.ts';
