// The room page: puts the parts together.

import { Chat } from './core/chat.js';
import { newId } from './core/ids.js';
import { outboxPrefix } from './core/outbox.js';
import { Banner } from './ui/banner.js';
import { Composer } from './ui/composer.js';
import { LogView } from './ui/log-view.js';
import { People } from './ui/people.js';
import { identify, nameForm } from './ui/session.js';
import { inherit, tabId } from './ui/tabs.js';
import { remember } from './ui/recent.js';

const byId = (id) => document.getElementById(id);
const page = byId('room');
const { room, meId, meName, position } = page.dataset;
const path = encodeURIComponent(room);
const list = byId('chat-rows');
const title = document.title;
let unread = 0;
let drawing = false;

const clock = {
  now: () => Date.now(),
  after: (ms, fn) => setTimeout(fn, ms),
  cancel: (handle) => clearTimeout(handle),
};

function rendered() {
  return Array.from(list.querySelectorAll('.row'), (node) => ({
    position: node.dataset.position,
    prev: node.dataset.prev ?? null,
    id: node.dataset.id,
    user: { id: node.dataset.user, name: node.querySelector('.name').textContent },
    message: node.querySelector('.text').textContent,
    time: node.querySelector('time').dateTime,
  }));
}

const tab = await tabId(sessionStorage);
const chat = new Chat({
  room,
  tab,
  me: meId ? { id: meId, name: meName } : null,
  page: { messages: rendered(), position: position ?? null },
  identify,
  socket: `${location.origin.replace(/^http/, 'ws')}/ws/chat/${path}/`,
  storage: localStorage,
  newId,
  clock,
  random: Math.random,
  WebSocket,
  onChange: draw,
  onMessage: (message) => {
    log.arrived();
    if (document.hidden && message.user.id !== chat.me?.id) badge(unread + 1);
  },
});

const log = new LogView({
  chat,
  scroller: byId('chat-log'),
  list,
  newest: byId('newest'),
  older: byId('older'),
  api: `/api/rooms/${path}/messages`,
});
const people = new People({
  chat,
  count: byId('people-count'),
  list: byId('people-list'),
  typing: byId('typing'),
  self: byId('self'),
});
const mayWrite = Boolean(byId('composer')); // else a name is asked for first
const composer = mayWrite && new Composer({
  form: byId('composer'),
  draftKey: `quartchat:draft:${path}`,
  storage: localStorage,
  limit: () => chat.limits.message_bytes ?? Number(page.dataset.messageBytes),
  onSend: (text) => {
    chat.say(text);
    log.toNewest();
  },
  onTyping: () => chat.typing(),
});
const banner = new Banner({ node: byId('connection'), dot: byId('dot'), chat, onStop: () => composer.close?.() });

function badge(count) {
  unread = count;
  document.title = count ? `(${count}) ${title}` : title;
}

let inherited = null;
function inheritOutboxes() {
  if (!chat.me || inherited === chat.me.id) return;
  inherited = chat.me.id;
  const prefix = outboxPrefix(chat.me.id, room);
  inherit({ prefix, own: tab, storage: localStorage, take: (key) => chat.adopt(key) });
}

// However many frames arrive, the page is drawn once a frame; a hidden page gets no frames.
function draw() {
  if (drawing) return;
  drawing = true;
  const now = () => {
    drawing = false;
    inheritOutboxes();
    log.render();
    people.render();
    banner.render();
  };
  if (document.hidden) setTimeout(now, 200);
  else requestAnimationFrame(now);
}

addEventListener('online', () => (chat.connection.hurry(), chat.connection.nudge()));
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  badge(0);
  chat.connection.nudge();
  draw();
});

// The people stand at the right where there is room, and fold away; elsewhere they slide in.
const toggle = byId('people-toggle');
const wide = matchMedia('(min-width: 1024px)');
function showPeople(open) {
  page.classList.toggle('people-open', !wide.matches && open);
  page.classList.toggle('people-shut', wide.matches && !open);
  toggle.setAttribute('aria-expanded', String(open));
}
wide.addEventListener('change', () => showPeople(wide.matches));
toggle.addEventListener('click', () => showPeople(toggle.getAttribute('aria-expanded') !== 'true'));
byId('chat-log').addEventListener('click', () => wide.matches || showPeople(false));
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && page.classList.contains('people-open')) showPeople(false);
});
showPeople(wide.matches);
nameForm(byId('rename'), () => location.reload());

remember(localStorage, room);
page.dataset.ready = '';
draw();
log.scrolled(); // a tall window may have room for more
if (mayWrite) {
  chat.start();
  if (matchMedia('(pointer: fine)').matches) composer.input.focus();
} else {
  nameForm(byId('ask'), () => location.reload());
}
