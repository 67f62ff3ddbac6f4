// Asks a web server many times and checks every answer. Runs inside the network namespace of the instance under test.
// Arguments: base URL, number of questions, parallel connections, `keep` or `close`. Prints one JSON object.
import { Agent, request } from 'node:http';

const [base, total, parallel, mode] = process.argv.slice(2);
const agent = new Agent({ keepAlive: mode === 'keep', maxSockets: Number(parallel) });
const took = [];
const wrong = [];
let next = 0;

function ask(number) {
  return new Promise((resolve) => {
    const begin = performance.now();
    const fail = (why) => {
      wrong.push(`${number}: ${why}`);
      resolve();
    };
    const outgoing = request(`${base}/answer/${number}`, { agent, timeout: 20_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('error', (error) => fail(error.message));
      response.on('end', () => {
        took.push(performance.now() - begin);
        const expected = `answer ${number * 7} ${'x'.repeat(number % 500)}\n`;
        if (response.statusCode !== 200 || body !== expected) return fail(`status ${response.statusCode}, ${body.length} bytes: ${body.slice(0, 60)}`);
        resolve();
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 20 s')));
    outgoing.on('error', (error) => fail(error.message));
    outgoing.end();
  });
}

const begin = performance.now();
await Promise.all(
  Array.from({ length: Number(parallel) }, async () => {
    while (next < Number(total)) await ask(next++);
  }),
);
agent.destroy();
took.sort((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify({ asked: next, wrong: wrong.length, first: wrong.slice(0, 5), seconds: (performance.now() - begin) / 1000, medianMs: took[took.length >> 1], p95Ms: took[Math.floor(took.length * 0.95)] })}\n`,
);
