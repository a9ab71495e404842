// Asks the browser for a passkey, and sends its answer with the page's form. Keeps nothing, and asks nobody else.

/** WebAuthn's texts of bytes: base64url without padding. */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function text(buffer) {
  const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The server's question as the browser wants it. */
function question(form) {
  const { publicKey } = JSON.parse(form.dataset.options);
  publicKey.challenge = bytes(publicKey.challenge);
  if (publicKey.user) publicKey.user.id = bytes(publicKey.user.id);
  for (const known of publicKey.excludeCredentials ?? publicKey.allowCredentials ?? []) known.id = bytes(known.id);
  return { publicKey };
}

/** The browser's answer as the server wants it. */
function answer({ id, rawId, type, response }) {
  const said = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) said[name] = text(response[name]);
  }
  if (response.getTransports) said.transports = response.getTransports();
  return JSON.stringify({ id, rawId: text(rawId), type, response: said });
}

async function ask(form) {
  const again = form.querySelector("button");
  const problem = form.querySelector("[role=alert]");
  again.disabled = true;
  problem.hidden = true;
  try {
    const found = await navigator.credentials[form.dataset.passkey](question(form));
    form.elements.namedItem("answer").value = answer(found);
    form.requestSubmit();
  } catch (error) {
    // A browser tells pages little more, so that they learn nothing of people who do not want them to.
    problem.textContent = error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed;
    problem.hidden = false;
    again.hidden = again.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.querySelector("button").addEventListener("click", () => ask(form));
  ask(form);
}
