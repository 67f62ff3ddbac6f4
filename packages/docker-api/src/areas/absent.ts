import { Fault } from '@berth/kit';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import type { Context } from '../context.ts';
import { notYet } from '../faults.ts';

/** An operation of Docker's that Berth answers with a sentence only. The list of docs/docker-compatibility.md, too. */
export interface AbsentRow {
  readonly method: HTTPMethods;
  readonly path: string;
  /** What users call it, as the subject of "… is not supported by Berth yet". */
  readonly what: string;
  readonly instead?: string;
}

export const absentTable: readonly AbsentRow[] = [
  { method: 'GET', path: '/containers/:id/checkpoints', what: 'docker checkpoint' },
  { method: 'POST', path: '/containers/:id/checkpoints', what: 'docker checkpoint' },
  { method: 'POST', path: '/session', what: 'docker build with BuildKit', instead: 'set DOCKER_BUILDKIT=0' },
  { method: 'POST', path: '/grpc', what: 'docker build with BuildKit', instead: 'set DOCKER_BUILDKIT=0' },
  { method: 'PUT', path: '/volumes/:name', what: 'docker volume update' },
  { method: 'POST', path: '/plugins/create', what: 'docker plugin create' },
  { method: 'POST', path: '/plugins/pull', what: 'docker plugin install' },
  { method: 'GET', path: '/plugins/privileges', what: 'docker plugin install' },
];

const swarmPaths: readonly (readonly [HTTPMethods, string])[] = [
  ['GET', '/swarm'],
  ['POST', '/swarm/update'],
  ['GET', '/swarm/unlockkey'],
  ['POST', '/swarm/unlock'],
  ['POST', '/swarm/leave'],
  ['GET', '/nodes'],
  ['GET', '/nodes/:id'],
  ['DELETE', '/nodes/:id'],
  ['POST', '/nodes/:id/update'],
  ['GET', '/services'],
  ['GET', '/services/:id'],
  ['POST', '/services/create'],
  ['POST', '/services/:id/update'],
  ['DELETE', '/services/:id'],
  ['GET', '/services/:id/logs'],
  ['GET', '/tasks'],
  ['GET', '/tasks/:id'],
  ['GET', '/tasks/:id/logs'],
  ['GET', '/secrets'],
  ['GET', '/secrets/:id'],
  ['POST', '/secrets/create'],
  ['POST', '/secrets/:id/update'],
  ['DELETE', '/secrets/:id'],
  ['GET', '/configs'],
  ['GET', '/configs/:id'],
  ['POST', '/configs/create'],
  ['POST', '/configs/:id/update'],
  ['DELETE', '/configs/:id'],
];

/** What is not there: 501 with a sentence, or the answer of a daemon that has none of it (plugins, a swarm). */
export function absentArea(app: FastifyInstance, _context: Context): void {
  for (const { method, path, what, instead } of absentTable) {
    app.route({
      method,
      url: path,
      handler: () => {
        throw notYet(`${what} is`, instead);
      },
    });
  }
  for (const [method, url] of swarmPaths) {
    app.route({
      method,
      url,
      handler: () => {
        throw new Fault(
          'unavailable',
          'no-swarm',
          'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
        );
      },
    });
  }
  for (const url of ['/swarm/init', '/swarm/join']) {
    app.post(url, () => {
      throw notYet('Swarm mode is');
    });
  }

  app.get('/plugins', () => []);
  app.get('/plugins/*', (request) => {
    const name = (request.params as { '*': string })['*'].replace(/\/json$/, '');
    throw new Fault('not-found', 'plugin-not-found', `plugin "${name}" not found`);
  });
}
