// The words of this page; "one|other" is chosen by {n}.

let words = {};
let plural = null;

export function speak(table, language = 'en') {
	words = { __proto__: null, ...table };
	plural = new Intl.PluralRules(language);
}

export const has = (key) => key in words;

export function say(key, values = {}) {
	const forms = (words[key] ?? key).split('|');
	const text = forms.length > 1 && plural.select(Number(values.n)) === 'one' ? forms[0] : forms.at(-1);
	return text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
}
