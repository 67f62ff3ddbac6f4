#!/usr/bin/env node
// The door to the project: `npm start`, `npm test` and their like all come through here. Plain JavaScript, because it
// runs before anything is installed, on any Node from 18 on. What it does lies in programs/bootstrap/.
const [major] = process.versions.node.split('.').map(Number);
if (major < 18) {
  process.stderr.write(`✘ This is Node ${process.versions.node}; Berth's start script needs 18 or newer (it brings its own Node 24 for the rest).\n`);
  process.exit(1);
}
const { main } = await import('./programs/bootstrap/main.mjs');
process.exitCode = await main(process.argv.slice(2));
