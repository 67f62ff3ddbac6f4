import { spawn } from 'node:child_process';
import { request } from 'node:http';

export interface Asked {
  /** The whole answer as text; rejects when the connection breaks before it is whole. */
  readonly answer: Promise<string>;
  /** Goes away without waiting. */
  readonly leave: () => void;
}

/** `POST /build` of a folder, for what the docker command does not send. */
export function askBuild(socketPath: string, folder: string, parameters: Readonly<Record<string, string>>): Asked {
  const query = new URLSearchParams(parameters).toString();
  const asked = request({ socketPath, method: 'POST', path: `/v1.50/build?${query}`, headers: { 'Content-Type': 'application/x-tar' }, agent: false });
  const answer = new Promise<string>((resolve, reject) => {
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    asked.on('error', reject);
  });
  answer.catch(() => undefined);
  const tar = spawn('tar', ['-cf', '-', '--owner=0', '--group=0', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  tar.stdout.pipe(asked);
  return { answer, leave: () => asked.destroy() };
}
