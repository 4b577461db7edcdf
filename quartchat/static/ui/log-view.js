// The log on the page: rows in order, keyed, so that a row once shown is never built again; a bounded
// number of them; the reader's place kept whatever is added above or below.
//
// The scroller is laid out from the bottom up (column-reverse): scrollTop is 0 at the newest and
// negative above it, the first paint stands at the bottom before any script ran.

import { rowsOf, Window } from '../core/rows.js';
import { say } from '../core/words.js';
import { setHidden, setText } from './dom.js';
import { adopt, build, refresh, settle } from './row.js';

const BOTTOM = 48; // px within which one reads the newest
const NEAR = 600; // px from an end at which more is fetched

export class LogView {
  constructor({ chat, scroller, list, newest, older, api }) {
    Object.assign(this, { chat, scroller, list, newest, older, api });
    this.window = new Window();
    this.nodes = new Map();
    this.unseen = 0;
    this.loading = false;
    this.actions = {
      me: () => chat.me,
      retry: (local) => chat.retry(local),
      discard: (local) => chat.discard(local),
      fill: (gap) => this.load(chat.log.entryAfter(gap)),
    };
    for (const node of list.querySelectorAll('.row')) {
      const item = chat.log.byKey.get(`${node.dataset.user} ${node.dataset.id}`);
      item.at = Date.parse(item.time);
      adopt(node, item);
      this.nodes.set(item.key, node);
    }
    scroller.addEventListener('scroll', () => this.scrolled(), { passive: true });
    newest.addEventListener('click', () => this.toNewest());
    older.querySelector('button').addEventListener('click', () => this.load(chat.log.firstEntry));
  }

  get atBottom() {
    return this.scroller.scrollTop > -BOTTOM;
  }

  arrived() {
    if (!this.window.follows) this.unseen++;
  }

  render() {
    const { log, me, names } = this.chat;
    if (this.atBottom && this.window.range(log.items).to === log.items.length) this.window.follow();
    else this.window.hold(log.items);
    const { from, to } = this.window.range(log.items);
    const whole = to === log.items.length;
    const rows = rowsOf(log.items.slice(from, to), whole ? this.chat.pending : [], me);
    const newestOwn = rows.findLast((row) => row.kind === 'entry' && row.item.user.id === me?.id)?.item;
    const wanted = new Set(rows.map(({ key }) => key));
    const anchor = this.window.follows ? null : this.anchor(rows);
    for (const row of rows) this.settle(row, me);
    for (const [key, node] of this.nodes) {
      if (wanted.has(key)) continue;
      node.remove();
      this.nodes.delete(key);
    }
    let next = this.list.firstElementChild;
    for (const row of rows) {
      const node = this.nodes.get(row.key) ?? build(row, this.actions);
      this.nodes.set(row.key, node);
      refresh(node, row, { log, me, names, newestOwn, actions: this.actions });
      if (node === next) next = next.nextElementSibling;
      else this.list.insertBefore(node, next);
    }
    if (anchor) this.scroller.scrollTop += anchor.node.getBoundingClientRect().top - anchor.top;
    this.margins(from === 0, whole);
  }

  // The bubble of an own message becomes its entry's row: nothing flickers or is announced twice.
  settle({ kind, key, item }, me) {
    if (kind !== 'entry' || item.user.id !== me?.id || this.nodes.has(key)) return;
    for (const [bubble, node] of this.nodes) {
      if (!bubble.startsWith('pending ') || node.dataset.id !== item.id) continue;
      this.nodes.delete(bubble);
      this.nodes.set(key, node);
      settle(node, item);
    }
  }

  margins(oldest, whole) {
    const { log } = this.chat;
    if (this.window.follows) this.unseen = 0;
    setHidden(this.newest, this.window.follows);
    const count = this.unseen;
    setText(this.newest, `${count ? say(count === 1 ? 'new_one' : 'new_many', { count }) : say('newest')} ↓`);
    const empty = !this.list.firstElementChild;
    // Only who is connected can say that there is nothing.
    setHidden(this.older, !(empty ? this.chat.connection.live : oldest && (log.complete || this.failed)));
    setText(this.older.querySelector('span'), say(empty ? 'empty' : this.failed ? 'older_failed' : 'start'));
    setHidden(this.older.querySelector('button'), !this.failed);
  }

  // The first row in sight that stays, and where it stands.
  anchor(rows) {
    const edge = this.scroller.getBoundingClientRect().top;
    const staying = rows.map(({ key }) => this.nodes.get(key)).filter(Boolean);
    let low = 0;
    let high = staying.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (staying[middle].getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    return staying[low] && { node: staying[low], top: staying[low].getBoundingClientRect().top };
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const { log } = this.chat;
    const above = scrollHeight - clientHeight + scrollTop;
    let moved = false;
    if (above < NEAR) {
      this.window.hold(log.items);
      moved = this.window.up(log.items);
      if (!moved && !log.complete && !this.failed && log.firstEntry) this.load(log.firstEntry);
    } else if (-scrollTop < NEAR) {
      moved = this.window.down(log.items);
    }
    if (moved || this.atBottom !== this.window.follows) this.chat.onChange();
  }

  toNewest() {
    this.window.follow();
    this.scroller.scrollTop = 0;
    this.chat.onChange();
  }

  async load(before) {
    if (this.loading || !before) return;
    this.loading = true;
    this.failed = false;
    try {
      const response = await fetch(`${this.api}?${new URLSearchParams({ before: before.position, limit: 100 })}`);
      if (!response.ok) throw new Error(`${response.status}`);
      this.chat.older(before, await response.json());
    } catch {
      this.failed = true;
    }
    this.loading = false;
    this.chat.onChange();
    this.scrolled(); // still near the end? go on
  }
}
