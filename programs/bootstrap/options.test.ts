import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText } from './help.mjs';
import { instanceArguments, parseOptions } from './options.mjs';
import { Problem } from './problem.mjs';

test('the default instance needs no option and no environment', () => {
  const options = parseOptions(['start'], {});
  assert.deepEqual([options.stateDir, options.runDir, options.prefix], ['/var/lib/berth', '/run/berth', 'berth']);
  assert.equal(instanceArguments(options, {}), '');
});

test('an option beats the environment, and the printed lines repeat what the environment does not say', () => {
  const env = { BERTH_STATE: '/a', BERTH_PREFIX: 'two' };
  const options = parseOptions(['start', '--state-dir', '/b', '--run-dir=/r', '-d'], env);
  assert.deepEqual([options.stateDir, options.runDir, options.prefix, options.flags.has('--detach')], ['/b', '/r', 'two', true]);
  assert.equal(instanceArguments(options, env), '--state-dir /b --run-dir /r');
});

test('what is not understood is refused with exit code 2', () => {
  for (const argv of [
    ['fly'],
    ['start', '--nope'],
    ['stop', '--detach'],
    ['start', '--prefix', 'Ä'],
    ['start', '--prefix', 'sevenlong'],
    ['start', '--state-dir'],
    ['start', '--run-dir', `/${'long'.repeat(20)}`],
    ['status', '--json=1'],
  ]) {
    assert.throws(
      () => parseOptions(argv, {}),
      (error) => error instanceof Problem && error.exitCode === 2,
      argv.join(' '),
    );
  }
});

test('every command has a help text, and --help is found anywhere', () => {
  for (const command of ['start', 'stop', 'status', 'test', 'check', 'bench']) {
    assert.ok(parseOptions([command, '--help'], {}).help);
    assert.ok(helpText(command).includes(command === 'start' || command === 'test' ? `npm ${command}` : `npm run ${command}`), command);
  }
  assert.ok(parseOptions([], {}).help);
  assert.ok(parseOptions(['--help'], {}).help);
});

test('options that are the daemon’s own are handed on, in order', () => {
  const options = parseOptions(['start', '--log-opt', 'max-size=10m', '--log-opt=max-file=3', '--log-driver', 'local', '-d'], {});
  assert.deepEqual(options.passed, ['--log-opt', 'max-size=10m', '--log-opt', 'max-file=3', '--log-driver', 'local']);
  assert.throws(() => parseOptions(['stop', '--log-opt', 'x=y'], {}), { exitCode: 2 });
});
