/** A writer for the rotation test: `node rotation-child.ts PATH`. Counts on, in lines of 8 bytes, from where the log ends, until killed. */
import { systemClock } from '../clock.ts';
import { LogFile } from './log-file.ts';

const log = new LogFile(process.argv[2] ?? '', systemClock(), { driver: 'json-file', maxBytes: 1000, maxFiles: 3, compress: false });
log.retain();
const sink = log.sink(1);
process.stdout.write('ready\n');
for (;;) {
  for (let index = 0; index < 20; index += 1) {
    void sink.write('stdout', Buffer.from(`${String(sink.position / 8 + 1).padStart(7, '0')}\n`), sink.position);
  }
  await new Promise((resolve) => setImmediate(resolve));
}
