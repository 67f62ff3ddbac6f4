import { join } from 'node:path';
import { ROOT } from './options.mjs';

/**
 * Arguments for Node that run the daemon: the one place where they are, for `npm start`, tests and benchmarks alike. The
 * daemon waits for others most of the time, so it trades parallel and generous garbage collection for 20 MB of memory.
 * @param {{ stateDirectory: string, runDirectory: string, prefix: string, guestDirectory: string }} place
 * @returns {string[]}
 */
export function berthdArguments(place) {
  return [
    '--disable-warning=ExperimentalWarning',
    '--v8-pool-size=1',
    '--single-threaded-gc',
    '--max-semi-space-size=4',
    '--expose-gc',
    join(ROOT, 'programs/berthd/src/main.mjs'),
    '--state-dir',
    place.stateDirectory,
    '--run-dir',
    place.runDirectory,
    '--prefix',
    place.prefix,
    '--guest-dir',
    place.guestDirectory,
    '--progress-fd',
    '3',
  ];
}
