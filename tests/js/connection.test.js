import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../quartchat/static/core/backoff.js';
import { Connection } from '../../quartchat/static/core/connection.js';
import { Clock } from './world.js';

class Socket {
  static made = [];
  readyState = 0;
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    Socket.made.push(this);
  }
  send(data) {
    this.sent.push(JSON.parse(data));
  }
  close() {
    this.readyState = 3;
    this.closed = true;
  }
  frame(frame) {
    this.readyState = 1;
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }
}

function made(options = {}) {
  Socket.made = [];
  const clock = new Clock();
  const states = [];
  const frames = [];
  const connection = new Connection({
    address: async () => 'ws://x/',
    WebSocket: Socket,
    clock,
    random: () => 0.999,
    onFrame: (frame) => frames.push(frame),
    onState: ({ name }) => states.push(name),
    ...options,
  });
  connection.start();
  return { clock, connection, states, frames, last: () => Socket.made.at(-1) };
}

test('waits double up to thirty seconds and are spread evenly below that', () => {
  const full = new Backoff({ random: () => 1 });
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(() => full.next()), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  const none = new Backoff({ random: () => 0 });
  assert.equal(none.next(), 0);
});

test('a stable minute is forgiven, a flapping connection is not', () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.opened(0);
  backoff.closed(59_999);
  assert.equal(backoff.next(), 4000);
  backoff.opened(100_000);
  backoff.closed(160_000);
  assert.equal(backoff.next(), 1000);
});

test('it is live with the welcome, not with the open socket', async () => {
  const { clock, connection, states, last } = made();
  await clock.run(10);
  assert.deepEqual(last().protocols, ['quartchat.v1']);
  assert.equal(connection.live, false);
  last().frame({ type: 'welcome' });
  assert.equal(connection.live, true);
  assert.deepEqual(states, ['connecting', 'live']);
});

test('a refused handshake is tried again, later and later', async () => {
  const { clock, states } = made();
  for (let i = 0; i < 4; i++) {
    await clock.run(10);
    Socket.made.at(-1).onclose({ code: 1006 });
    assert.equal(states.at(-1), 'waiting');
    await clock.run(1000 * 2 ** i);
    assert.equal(Socket.made.length, i + 2);
  }
});

test('hurry does not wait', async () => {
  const { clock, connection, last } = made();
  await clock.run(10);
  last().onclose({ code: 1013 });
  connection.hurry();
  await clock.run(1);
  assert.equal(Socket.made.length, 2);
});

test('4401 is the end', async () => {
  const { clock, connection, last } = made();
  await clock.run(10);
  last().frame({ type: 'welcome' });
  last().onclose({ code: 4401 });
  connection.hurry();
  await clock.run(300_000);
  assert.equal(connection.state.name, 'stopped');
  assert.equal(Socket.made.length, 1);
});

test('silence is probed and a dead link is given up', async () => {
  const { clock, connection, last } = made();
  await clock.run(10);
  const first = last();
  first.frame({ type: 'welcome' });
  await clock.run(36_000);
  assert.deepEqual(first.sent, [{ type: 'ping' }]);
  first.frame({ type: 'pong' });
  await clock.run(20_000);
  assert.equal(connection.live, true);
  await clock.run(30_000);
  assert.ok(first.closed);
  assert.ok(Socket.made.length > 1);
});

test('a server that pings is not probed', async () => {
  const { clock, last } = made();
  await clock.run(10);
  last().frame({ type: 'welcome' });
  for (let i = 0; i < 10; i++) {
    await clock.run(25_000);
    last().frame({ type: 'ping' });
  }
  assert.deepEqual(last().sent, []);
});

test('no welcome in time counts as no connection', async () => {
  const { clock } = made();
  await clock.run(20_000);
  assert.ok(Socket.made.length > 1);
  assert.ok(Socket.made[0].closed);
});

test('a socket once given up is not listened to', async () => {
  const { clock, connection, frames, last } = made();
  await clock.run(10);
  const first = last();
  const { onmessage, onclose } = first;
  first.frame({ type: 'welcome' });
  connection.drop('gap');
  onmessage({ data: '{"type":"message"}' });
  onclose({ code: 4401 });
  assert.equal(frames.length, 1);
  assert.equal(connection.state.name, 'waiting');
});

test('what is not a frame is ignored', async () => {
  const { clock, frames, connection, last } = made();
  await clock.run(10);
  for (const odd of ['', 'null', '7', '{', '[]']) last().frame(odd);
  last().frame({ type: 'welcome' });
  assert.equal(connection.live, true);
  assert.deepEqual(frames.at(-1), { type: 'welcome' });
});

test('an address that cannot be had counts as a failed attempt', async () => {
  let asked = 0;
  const address = async () => {
    if (++asked === 1) throw new Error('503');
    return 'ws://x/';
  };
  const { clock, states } = made({ address });
  await clock.run(10);
  assert.equal(states.at(-1), 'waiting');
  await clock.run(1000);
  assert.equal(Socket.made.length, 1);
});
