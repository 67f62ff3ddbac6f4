import { createExecSchema, defaultDetachKeys, frame, parseDetachKeys, startExecSchema } from '@berth/docker-wire';
import { Fault, kernelCapabilities } from '@berth/kit';
import type { ExecView } from '@berth/engine';
import type { FastifyInstance } from 'fastify';
import { pump, streamType } from '../attach-pump.ts';
import { jsonBody, optionalJsonBody } from '../body.ts';
import type { Context } from '../context.ts';
import { answerFor, invalid, notYet } from '../faults.ts';
import { execEnv } from '../create/process-config.ts';
import { takeOver } from '../hijack.ts';
import { requestMinor } from '../versions.ts';
import { terminalSize } from './containers.ts';

type WithId = { Params: { id: string } };

/** `docker exec`: a process more in a running container. */
export function execArea(app: FastifyInstance, context: Context): void {
  const { engine } = context;

  app.post<WithId>('/containers/:id/exec', async (request, reply) => {
    const body = await jsonBody(request, createExecSchema, 'ExecOptions');
    const args = body.Cmd ?? [];
    if (args.length === 0) throw invalid('no-command', 'no exec command specified');
    const view = engine.container(request.params.id);
    if (view.state.phase === 'paused') {
      throw new Fault('conflict', 'paused', `Container ${request.params.id} is paused, unpause the container before exec`);
    }
    if (body.DetachKeys !== '') parseDetachKeys(body.DetachKeys);
    if (body.Privileged && view.definition.capabilities.length < kernelCapabilities.length) {
      throw notYet('docker exec --privileged is', 'start the container with --privileged');
    }
    const id = await engine.createExec(request.params.id, {
      args,
      env: execEnv(view.definition, body.Env, body.Tty),
      cwd: body.WorkingDir,
      user: body.User,
      terminal: body.Tty,
      stdin: body.AttachStdin,
      stdout: body.AttachStdout,
      stderr: body.AttachStderr,
      privileged: body.Privileged,
      detachKeys: body.DetachKeys,
    });
    return reply.code(201).send({ Id: id });
  });

  app.post<WithId>('/exec/:id/start', async (request, reply) => {
    const body = await optionalJsonBody(request, startExecSchema, 'ExecStartOptions');
    const exec = engine.exec(request.params.id);
    requireStartable(context, exec);
    const [rows, columns] = body.ConsoleSize ?? [];
    const size = exec.terminal && rows !== undefined && columns !== undefined && rows > 0 ? { terminalSize: { rows, columns } } : {};
    if (body.Detach) {
      await engine.startExec(exec.id, { detach: true, ...size, signal: context.closing });
      return reply.code(200).send();
    }

    const detachKeys = parseDetachKeys(exec.detachKeys || defaultDetachKeys);
    const stop = new AbortController();
    const connection = takeOver(request, reply, streamType(exec.terminal, requestMinor(request.raw)));
    connection.signal.addEventListener('abort', () => stop.abort(), { once: true });
    if (connection.signal.aborted) stop.abort();
    try {
      const attachment = await engine.startExec(exec.id, { detach: false, ...size, signal: AbortSignal.any([stop.signal, context.closing]) });
      if (attachment !== undefined) {
        const { terminal, stdin, stdout, stderr } = exec;
        await pump(connection, attachment, { terminal, stdin, stdout, stderr, detachKeys, stop: () => stop.abort() });
      }
    } catch (error) {
      // The head of the answer is out, so the sentence goes where the output would have gone; the exit code tells the rest.
      if (!(error instanceof Fault)) context.log.warn({ err: error, exec: exec.id }, 'an exec could not be started');
      const message = Buffer.from(`${answerFor(error).message}\r\n`);
      await connection.write(exec.terminal ? message : frame('stdout', message));
    }
    await connection.end();
    return reply;
  });

  app.post<WithId>('/exec/:id/resize', async (request, reply) => {
    await engine.resizeExec(request.params.id, terminalSize(request));
    return reply.code(200).send();
  });

  app.get<WithId>('/exec/:id/json', (request) => {
    const exec = engine.exec(request.params.id);
    return {
      ID: exec.id,
      Running: exec.running,
      ExitCode: exec.exitCode,
      ProcessConfig: {
        tty: exec.terminal,
        entrypoint: exec.args[0],
        arguments: exec.args.slice(1),
        privileged: exec.privileged,
        ...(exec.user === '' ? {} : { user: exec.user }),
      },
      OpenStdin: exec.stdin,
      OpenStderr: exec.stderr,
      OpenStdout: exec.stdout,
      CanRemove: !exec.running && exec.exitCode !== null,
      ContainerID: exec.containerId,
      DetachKeys: exec.detachKeys,
      Pid: exec.pid,
    };
  });
}

/** What must be said by status code has to be said before the connection is taken over. */
function requireStartable({ engine }: Context, exec: ExecView): void {
  const { state } = engine.container(exec.containerId);
  if (exec.exitCode !== null) throw new Fault('conflict', 'exec-over', `exec command ${exec.id} has already run`);
  if (exec.running) throw new Fault('conflict', 'exec-running', `exec command ${exec.id} is already running`);
  if (state.phase === 'paused') throw new Fault('conflict', 'paused', `Container ${exec.containerId} is paused, unpause the container before exec`);
  if (state.phase !== 'running') throw new Fault('conflict', 'not-running', `container ${exec.containerId} is not running`);
}
