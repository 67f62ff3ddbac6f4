/**
 * The `Runtime` port by virtual machines: QEMU microvms cloned from a booted template, a template per image with its file
 * systems already mounted, and a few children of it kept waiting. Virtual machines outlive the daemon and are adopted.
 */
export { MicrovmRuntime } from './microvm-runtime.ts';
export type { Guest, MicrovmRuntimeOptions, PoolOptions } from './options.ts';
export type { StartTrace } from './trace.ts';
