// What a test suite does with Testcontainers, up to an end that cleans nothing up. Prints one JSON object of what it found.
import { GenericContainer, Network, Wait } from 'testcontainers';

const found: Record<string, unknown> = {};
// Testcontainers lets go of its connections, so that a program ends when its tests do; this one says itself when.
setInterval(() => undefined, 60_000);
const network = await new Network().start();
const web = await new GenericContainer('busybox')
  .withCommand(['sh', '-c', 'echo the server begins; exec httpd -f -v -p 8080 -h /www'])
  .withCopyContentToContainer([{ content: 'a page\n', target: '/www/index.html', mode: 0o644 }])
  .withCopyFilesToContainer([{ source: process.argv[2] ?? '', target: '/www/file.txt' }])
  .withExposedPorts(8080)
  .withNetwork(network)
  .withNetworkAliases('site', 'page')
  .withLabels({ 'org.example.story': 'web' })
  .withEnvironment({ COLOUR: 'blue' })
  .withResourcesQuota({ memory: 0.1, cpu: 1 })
  .withTmpFs({ '/scratch': 'rw,noexec,size=1m' })
  .withUlimits({ nofile: { soft: 100, hard: 200 } })
  .withStartupTimeout(120_000)
  .withWaitStrategy(Wait.forAll([Wait.forLogMessage('the server begins'), Wait.forListeningPorts(), Wait.forHttp('/', 8080).forStatusCode(200)]))
  .start();
found.page = await (await fetch(`http://${web.getHost()}:${web.getMappedPort(8080)}/`)).text();
found.file = await (await fetch(`http://${web.getHost()}:${web.getMappedPort(8080)}/file.txt`)).text();
const executed = await web.exec(['sh', '-c', 'echo $COLOUR; ulimit -n; exit 3']);
found.exec = [executed.output, executed.exitCode];
found.labels = web.getLabels()['org.example.story'];
found.networks = web.getNetworkNames().includes(network.getName());

const client = await new GenericContainer('busybox')
  .withCommand(['sleep', '1000'])
  .withNetwork(network)
  .withHealthCheck({ test: ['CMD-SHELL', 'wget -q -O /tmp/page http://site:8080/'], interval: 500, timeout: 20_000, retries: 60, startPeriod: 0 })
  .withStartupTimeout(120_000)
  .withWaitStrategy(Wait.forHealthCheck())
  .start();
found.alias = (await client.exec(['wget', '-q', '-O', '-', 'http://page:8080/'])).output;
const archive = await client.copyArchiveFromContainer('/tmp/page');
const bytes = Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>));
found.copiedOut = bytes.includes('a page\n') && bytes.subarray(0, 4).toString() === 'page';
await client.copyContentToContainer([{ content: 'later', target: '/tmp/later' }]);
found.copiedIn = (await client.exec(['cat', '/tmp/later'])).output;
await client.restart({ timeout: 0 });
found.restarted = (await client.exec(['cat', '/tmp/later'])).exitCode;

const once = await new GenericContainer('busybox').withCommand(['sh', '-c', 'echo all done; exit 0']).withWaitStrategy(Wait.forOneShotStartup()).start();
const lines = await (await once.logs()).toArray();
found.logs = lines.join('').trim();
await once.stop();
await client.stop({ timeout: 0 });
try {
  await new GenericContainer('busybox').withCommand(['sleep', '1000']).withStartupTimeout(1500).withWaitStrategy(Wait.forLogMessage('never said')).start();
} catch (error) {
  found.waitFails = (error instanceof Error ? error.message : String(error)).split('\n')[0];
}
found.left = [web.getId(), network.getName()];
console.log(JSON.stringify(found));
// As a test run that was interrupted: nothing is stopped, the connection to the reaper just ends.
process.exit(0);
