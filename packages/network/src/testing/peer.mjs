// A peer inside a test's namespace, plain JavaScript so that it starts fast.
//   serve tcp|udp PORT TEXT [HOST]  answers every connection or datagram with TEXT and the peer's address
//   ask tcp|udp ADDRESS PORT WAIT_MS [FROM] prints the answer; status 1 with the reason when there is none in time
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [mode, protocol, ...rest] = process.argv.slice(2);
if (mode === 'serve') {
  const [port, text, host = '0.0.0.0'] = rest;
  if (protocol === 'tcp') {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(`${text} ${socket.remoteAddress}`);
    });
    server.listen({ port: Number(port), host }, () => console.log('ready'));
  } else {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (_, from) => socket.send(`${text} ${from.address}`, from.port, from.address));
    socket.bind(Number(port), host, () => console.log('ready'));
  }
} else {
  const [address, port, waitMs, from] = rest;
  const fail = (reason) => {
    console.error(reason);
    process.exit(1);
  };
  setTimeout(() => fail('timeout'), Number(waitMs));
  if (protocol === 'tcp') {
    const socket = connect({ host: address, port: Number(port), ...(from ? { localPort: Number(from) } : {}) });
    let answer = '';
    socket.on('data', (data) => (answer += data));
    socket.on('error', (error) => fail(error.code));
    socket.on('end', () => {
      if (answer === '') fail('empty');
      console.log(answer);
      process.exit(0);
    });
  } else {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', (error) => fail(error.code));
    socket.on('message', (data) => {
      console.log(String(data));
      process.exit(0);
    });
    const go = () => socket.connect(Number(port), address, () => socket.send('?'));
    if (from) socket.bind(Number(from), go);
    else go();
  }
}
