/** How long a guest gets to write its file system back when a container has ended. */
export const SHUTDOWN_LIMIT_MS = 5_000;
export const ADOPT_LIMIT_MS = 15_000;
/** A machine that serves the files of a container which doesn't run waits so long for the next request. */
export const FILES_LINGER_MS = 5_000;
export const DEFAULT_SCRATCH_BYTES = 10 * 2 ** 30;
export const DEFAULT_TEMPLATE_BUDGET_BYTES = 4 * 2 ** 30;
