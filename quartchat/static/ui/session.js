// Asks the server who this browser is, or to call it by a name. Only the answer to a POST gives a cookie.

async function post(name) {
  const response = await fetch('/session', {
    method: 'POST',
    headers: { Accept: 'application/json' },
    body: new URLSearchParams({ name }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `${response.status}`);
  return answer;
}

// Who one is; a guest is given a name. One tab at a time, so that two tabs opened together become the
// same person.
export function identify(locks = navigator.locks) {
  return locks ? locks.request('quartchat:session', () => post('')) : post('');
}

// A form with a name: posts it in place, so that a name that is refused costs nothing that was typed.
export function nameForm(form, done) {
  const field = form.elements.name;
  field.addEventListener('input', () => field.setCustomValidity(''));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await post(field.value);
    } catch (error) {
      field.setCustomValidity(error.message);
      field.reportValidity();
      return;
    }
    done();
  });
}
