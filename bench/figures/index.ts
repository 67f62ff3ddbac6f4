import type { Figure } from '../figure.ts';
import { clone } from './clone.ts';
import { daemon } from './daemon.ts';
import { dockerExec } from './docker-exec.ts';
import { dockerRun } from './docker-run.ts';
import { idle } from './idle.ts';
import { imageTransfer } from './image-transfer.ts';
import { throughput } from './throughput.ts';

/** In the order in which they are measured. */
export const figures: readonly Figure[] = [clone, dockerRun, dockerExec, throughput, idle, daemon, imageTransfer];
