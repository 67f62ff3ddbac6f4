/**
 * An engine for tests: real rows, logs and events over the fake runtime, with images and networks that exist only in
 * memory.
 */
export { openTestEngine, type TestEngine } from './test-engine.ts';
export { MemoryImages } from './memory-images.ts';
export { MemoryNetworking } from './memory-networking.ts';
export { ManualClock } from './manual-clock.ts';
export { listen, textOf } from './text.ts';
