// Where one left off: `mark` is seen, in any tab; `line` is the mark when one left; `since` came below the mark.

const SETTLES = 3000;

export class Unread {
	constructor(parts) {
		Object.assign(this, parts);
		this.heard(true);
	}

	get count() { return this.since?.total ?? 0; }

	left(settled = false) {
		this.line = this.mark;
		this.away = this.lookedAt = null;
		this.settled = settled;
	}

	heard(hidden) {
		this.mark = this.store.get(this.key);
		if (hidden) this.left();
	}

	update(log, me, looking, complete) {
		const { key, at } = log.items.findLast(({ gap }) => !gap) ?? { key: '', at: 0 };
		if ((looking || (key && !this.mark)) && this.mark?.key !== key) this.store.set(this.key, (this.mark = { key, at }));
		this.since = this.mark && below(this.mark, log, me);
		if (!this.settled || this.away?.more) this.away = this.line && below(this.line, log, me);
		if (looking) this.settled ||= complete || this.now() - (this.lookedAt ??= this.now()) > SETTLES;
	}

	missed({ items }, entry) { return items.indexOf(entry) > items.findIndex(({ key }) => key === this.mark?.key); }
}

function below(mark, log, me) {
	const known = log.byKey.has(mark.key);
	let first = null;
	let total = 0;
	for (let i = log.items.length; i--; ) {
		const item = log.items[i];
		if (known ? item.key === mark.key : item.at <= mark.at) break;
		if (item.gap || item.deleted || item.user.id === me?.id) continue;
		first = item;
		total++;
	}
	const more = first === log.firstEntry && !log.complete;
	return first && { first, total, more, n: more ? `${total}+` : total };
}
