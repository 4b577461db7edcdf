// Every word that the scripts show, in one place; a second language is a second table.

const en = {
  sending: 'Sending…',
  sent: 'Sent',
  retry: 'Try again',
  discard: 'Discard',
  failed: 'Not sent.',
  failed_too_long: 'Not sent: it is too long.',
  failed_empty: 'Not sent: it is empty.',
  failed_forbidden: 'Not sent: you may not write here.',
  connecting: 'Not connected. Connecting…',
  waiting: 'Not connected. Reconnecting in {seconds} s',
  try_now: 'Try now',
  trouble: 'Not connected to the other people. Your messages wait here and go out by themselves.',
  session_changed: 'You are someone else now, or signed out, in another tab. This page has stopped.',
  reload: 'Reload',
  gap: 'Messages may be missing here',
  gap_more: 'Show what came before',
  today: 'Today',
  yesterday: 'Yesterday',
  new_one: '1 new message',
  new_many: '{count} new messages',
  newest: 'Newest messages',
  start: 'This is where the room’s memory begins.',
  older_failed: 'Older messages could not be loaded.',
  older_retry: 'Load older messages',
  empty: 'Nothing here yet. Say hello!',
  people: '{count} here',
  others: 'and {count} more',
  you: 'you',
  typing_one: '{a} is typing…',
  typing_two: '{a} and {b} are typing…',
  typing_many: 'Several people are typing…',
  too_long: 'Too long by {bytes} bytes',
  room_empty: 'Which room?',
  room_long: 'That name is too long: 64 characters at most.',
  room_characters: 'A room’s name cannot hold / or invisible characters.',
};

export function say(key, values = {}) {
  return (en[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const has = (key) => key in en;
