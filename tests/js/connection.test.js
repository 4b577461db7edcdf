import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../../quartchat/static/core/connection.js';
import { Clock, seeded } from './world.js';

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

// The longest waits after each of these losses, the connection having been held for `held` ms.
async function longest(losses, held) {
  const { clock, connection, last } = made({ random: () => 1 });
  const waits = [];
  for (const code of losses) {
    await clock.run(10);
    last().frame({ type: 'welcome' });
    clock.time += held;
    last().onclose({ code, reason: 'why' });
    waits.push(connection.state.until - clock.now());
    await clock.run(waits.at(-1));
  }
  return waits;
}

test('waits double up to thirty seconds', async () => {
  assert.deepEqual(await longest(Array(7).fill(1006), 0), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test('a stable minute is forgiven, a flapping connection is not', async () => {
  assert.deepEqual(await longest([1006, 1006, 1006], 20_000), [1000, 2000, 4000]);
  assert.deepEqual(await longest([1006, 1006, 1006], 60_000), [1000, 1000, 1000]);
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

test('hurry waits for no longer than nobody notices', async () => {
  const { clock, connection, last } = made();
  for (let i = 1; i <= 5; i++) {
    await clock.run(10);
    last().onclose({ code: 1013 });
    connection.hurry();
    connection.hurry();
    assert.ok(connection.state.until - clock.now() <= 300);
    await clock.run(300);
    assert.equal(Socket.made.length, i + 1);
  }
});

test('hurry makes no wait longer', async () => {
  const { clock, connection, last } = made();
  await clock.run(10);
  last().onclose({ code: 1013 });
  await clock.run(990);
  assert.equal(Socket.made.length, 1);
  connection.hurry();
  await clock.run(9);
  assert.equal(Socket.made.length, 2);
});

// A thousand pages that lose their servers in the same instants: how long each waits after the last of them,
// in order. Each held its connection for so many ms.
async function returns(losses, { held = 0, hurry = false } = {}) {
  const random = seeded(7);
  const waits = [];
  for (let i = 0; i < 1000; i++) {
    const { clock, connection, last } = made({ random });
    for (const code of losses) {
      await clock.run((connection.state.until ?? clock.now()) - clock.now());
      last().frame({ type: 'welcome' });
      clock.time += held;
      last().onclose({ code, reason: 'why' });
    }
    if (hurry) connection.hurry();
    waits.push(connection.state.until - clock.now());
  }
  return waits.sort((a, b) => a - b);
}

// No tenth of the time has more than its share of a thousand, give or take.
function spread(waits, within) {
  const tenths = Array(10).fill(0);
  for (const wait of waits) tenths[Math.floor((wait / within) * 10)]++;
  assert.ok(waits.at(-1) <= within, `${waits.at(-1)}`);
  for (const many of tenths) assert.ok(many > 60 && many < 140, `${tenths}`);
}

test('a thousand pages that lost one server return over a second', async () => {
  spread(await returns([1006], { held: 60_000 }), 1000);
});

test('a thousand pages that lose it again and again return over thirty', async () => {
  spread(await returns(Array(6).fill(1006)), 30_000);
});

test('a thousand pages that were sent away return over a second', async () => {
  spread(await returns([1012], { held: 60_000 }), 1000);
});

test('a thousand pages that were sent away again and again are back within five seconds, and spread', async () => {
  spread(await returns(Array(6).fill(1012)), 4000);
  spread(await returns([...Array(6).fill(1006), 1012]), 4000);
});

test('a thousand pages whose network is back do not knock in one instant', async () => {
  spread(await returns(Array(6).fill(1006), { hurry: true }), 300);
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

test('where coming back is of no use the page stops', async () => {
  for (const code of [1003, 1007, 1008, 4401]) {
    const { clock, connection, last } = made();
    await clock.run(10);
    last().onclose({ code, reason: 'why' });
    await clock.run(120_000);
    assert.deepEqual(connection.state, { name: 'stopped', code, reason: 'why' });
  }
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
