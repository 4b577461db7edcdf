// The lobby: one step from a name and a room to the room.

import { normal, problem } from './core/names.js';
import { kept, recent } from './core/storage.js';
import { say, speak } from './core/words.js';
import { byId, el } from './ui/dom.js';
import { themeSwitch } from './ui/likes.js';
import { nameForm } from './ui/session.js';

speak(JSON.parse(byId('words').textContent), document.documentElement.lang);
const form = byId('lobby');
const room = byId('room-name-input');
const name = byId('name-input');
const known = form.dataset.name ?? '';
const pathOf = (value) => `/chat/${encodeURIComponent(value)}/`;
const closed = byId('private');
const enter = () => {
  const wanted = normal(room.value);
  if (closed?.checked) import('./ui/private.js').then(({ begin }) => begin(form, wanted));
  else location.assign(pathOf(wanted));
};

room.addEventListener('input', () => room.setCustomValidity(''));
form.addEventListener('submit', (event) => {
  const wrong = problem(normal(room.value));
  // Who keeps the name, or goes as a guest, needs no new identity.
  const same = name.value.trim() === known;
  if (!wrong && !same) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!wrong) return enter();
  room.setCustomValidity(say(wrong));
  room.reportValidity();
});
nameForm(form, enter);
// Until now the browser would send the form, and begin a room that is open to everybody.
if (closed) closed.disabled = false;
themeSwitch();

function showRooms(section, list, rooms) {
  const items = rooms.map(({ name: title, count }) => {
    const link = el('a', { href: pathOf(title) }, el('bdi', {}, title));
    if (count) link.append(' ', el('span', { class: 'count', title: say('people', { n: count }) }, `${count}`));
    return el('li', {}, link);
  });
  list.replaceChildren(...items);
  section.hidden = !items.length;
}

const visited = recent(kept(() => localStorage));
if (visited.length) showRooms(byId('recent'), byId('recent-list'), visited.map((each) => ({ name: each })));

// Rooms with people in them, as long as somebody looks.
const BUSY_EVERY = 15000;
async function refresh() {
  const busy = byId('busy');
  if (document.hidden) return;
  const answer = await fetch('/api/rooms').then((response) => response.ok && response.json()).catch(() => null);
  // Under somebody's keys nothing is made anew: the focus would be gone.
  if (answer && !busy.contains(document.activeElement)) showRooms(busy, byId('busy-list'), answer.rooms);
}
if (byId('busy')) {
  setInterval(refresh, BUSY_EVERY);
  document.addEventListener('visibilitychange', refresh);
}

// While the broker is away the page says so, and notices when it is back.
const banner = byId('connection');
const check = async () => {
  const ready = await fetch('/readyz').then(({ ok }) => ok, () => false);
  banner.hidden = ready;
  if (!ready) setTimeout(check, 3000 + Math.random() * 4000);
};
if (!banner.hidden) setTimeout(check, 2000);
