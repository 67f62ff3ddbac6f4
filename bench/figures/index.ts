import type { Figure } from '../figure.ts';
import { attach } from './attach.ts';
import { build } from './build.ts';
import { clone } from './clone.ts';
import { daemon } from './daemon.ts';
import { dockerCp } from './docker-cp.ts';
import { dockerExec } from './docker-exec.ts';
import { dockerRun } from './docker-run.ts';
import { idle } from './idle.ts';
import { imageTransfer } from './image-transfer.ts';
import { logs } from './logs.ts';
import { storms } from './storms.ts';
import { tcp } from './tcp.ts';
import { throughput } from './throughput.ts';
import { volumes } from './volumes.ts';

/** In the order in which they are measured. */
export const figures: readonly Figure[] = [
  clone,
  dockerRun,
  dockerExec,
  dockerCp,
  volumes,
  throughput,
  logs,
  idle,
  daemon,
  imageTransfer,
  build,
  attach,
  tcp,
  storms,
];
