/**
 * Images from Dockerfiles: each RUN is a container of the engine, made from the image so far; COPY and ADD write layers straight
 * from archives; every step is an image of the one store, which is also the cache. See docs/design/builds.md.
 */
export type * from './port.ts';
export { BUILD_CACHE_LABEL } from './cache-volumes.ts';
export { StepFailed } from './faults.ts';
export { ImageBuilder, type ImageBuilderOptions } from './image-builder.ts';
